package media

import (
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// maxEarlyCandidates bounds the candidates that wait for the description they belong to: chosen.
const maxEarlyCandidates = 256

// checkCandidates refuses what is no candidate, with an [*Error].
func checkCandidates(candidates []control.Candidate) error {
	for _, c := range candidates {
		if err := rtc.CheckCandidate(c); err != nil {
			return errorf(mediaapi.CodeICEAddCandidate, "%v", err)
		}
	}
	return nil
}

// keepEarly adds candidates to those that wait; the oldest give way.
func keepEarly(early, more []control.Candidate) []control.Candidate {
	for _, c := range more {
		if strings.TrimSpace(c.Candidate) != "" {
			early = append(early, c)
		}
	}
	return early[max(0, len(early)-maxEarlyCandidates):]
}
