package k8s_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	core "k8s.io/api/core/v1"

	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
	restapi "github.com/orkestro/orkestro/services/restapi/app"
	wrapper "github.com/orkestro/orkestro/services/wrapper/app"
)

// fields are what the downward API says of a pod, but for its name and number.
var fields = map[string]string{"status.podIP": "10.244.1.7", "status.hostIP": "192.0.2.17"}

// secrets are values that Secrets may have that are not in git.
var secrets = map[string]string{
	"connection_string": "amqp://u:p@rabbitmq.orkestro.svc:5672/", "username": "u", "password": "p",
	"connectionString.standard": "mongodb://u:p@mongodb-0.mongodb-svc.orkestro.svc.cluster.local:27017/admin?replicaSet=mongodb",
	"api-keys":                  "backend:0123456789abcdef", "token-secret": "0123456789abcdef",
	"ice-credential": "credential", "public-key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
}

var reference = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)

// environment is what a container finds in it, made as the kubelet makes it: first whole ConfigMaps, then the single
// variables in their order, which may refer to those before them.
func environment(m manifests, c core.Container, pod string) map[string]string {
	found := map[string]string{}
	for _, source := range c.EnvFrom {
		if source.ConfigMapRef != nil {
			if settings := named[*core.ConfigMap](m, source.ConfigMapRef.Name); settings != nil {
				maps.Copy(found, settings.Data)
			}
		}
	}
	for _, variable := range c.Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			value = resolve(m, variable.ValueFrom, pod)
		}
		found[variable.Name] = reference.ReplaceAllStringFunc(value, func(r string) string {
			if known, ok := found[r[2:len(r)-1]]; ok {
				return known
			}
			return r
		})
	}
	return found
}

func resolve(m manifests, source *core.EnvVarSource, pod string) string {
	switch {
	case source.SecretKeyRef != nil:
		if own := named[*core.Secret](m, source.SecretKeyRef.Name); own != nil {
			return string(own.Data[source.SecretKeyRef.Key])
		}
		return secrets[source.SecretKeyRef.Key]
	case source.FieldRef == nil:
		return ""
	case source.FieldRef.FieldPath == "metadata.name":
		return pod
	case source.FieldRef.FieldPath == "metadata.labels['apps.kubernetes.io/pod-index']":
		return pod[strings.LastIndex(pod, "-")+1:]
	}
	return fields[source.FieldRef.FieldPath]
}

// checkSettings has the programs themselves read what their pods' environment says.
func checkSettings(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		for _, c := range w.pod.Spec.Containers {
			if !ours(c) {
				continue
			}
			found := environment(m, c, w.name+"-0")
			for name, value := range found {
				if strings.Contains(value, "$(") {
					findings = append(findings, fmt.Sprintf("%s: %s=%s refers to nothing before it", w.name, name, value))
				}
			}
			findings = append(findings, checkUse(w.name, c, found)...)
			if err := try(c, found); err != nil {
				findings = append(findings, fmt.Sprintf("%s: %v", w.name, err))
			}
		}
	}
	return findings
}

// The image has the programs that the pods run, under the user that they run as.
func TestImage_HasWhatPodsRun(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/compose/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	user := regexp.MustCompile(`(?m)^USER (\d+):(\d+)$`).FindStringSubmatch(string(text))
	for _, w := range workloads(load(t, "dev")) {
		c := w.pod.Spec.Containers[0]
		if !ours(c) {
			continue
		}
		if !regexp.MustCompile(`\./(cmd|services)/` + c.Command[0] + `\b`).Match(text) {
			t.Errorf("%s: %s is not built into the image", w.name, c.Command[0])
		}
		as := w.pod.Spec.SecurityContext
		if user == nil || user[1] != fmt.Sprint(*as.RunAsUser) || user[2] != fmt.Sprint(*as.RunAsGroup) {
			t.Errorf("%s: runs as %d:%d, the image is made for %v", w.name, *as.RunAsUser, *as.RunAsGroup, user)
		}
	}
}

// checkUse: what is set is a setting of the program, or is referred to by one.
func checkUse(workload string, c core.Container, found map[string]string) (findings []string) {
	known := variables(c)
	for _, name := range slices.Sorted(maps.Keys(found)) {
		shared := strings.HasPrefix(name, "ORKESTRO_LOG_") // of all programs, not of all commands of orkestro
		if slices.Contains(known, name) || shared || name == "GOMEMLIMIT" || refers(c, name) {
			continue
		}
		findings = append(findings, fmt.Sprintf("%s: there is no setting %s", workload, name))
	}
	return findings
}

func refers(c core.Container, name string) bool {
	return slices.ContainsFunc(c.Env, func(v core.EnvVar) bool { return strings.Contains(v.Value, "$("+name+")") })
}

// programs are the settings of each.
func programs() map[string]any {
	return map[string]any{"restapi": &restapi.Config{}, "wrapper": &wrapper.Config{}, "mediaserver": &mediaserver.Config{}}
}

func parser(program string) (*kong.Kong, any, error) {
	grammar, ok := programs()[program]
	if !ok {
		return nil, nil, nil
	}
	k, err := kong.New(grammar, kong.Name(program), kong.Exit(func(int) {}), kong.Vars{"version": ""})
	return k, grammar, err
}

// variables are those of the program that a container runs.
func variables(c core.Container) (names []string) {
	k, _, err := parser(c.Command[0])
	switch {
	case err != nil:
		return nil
	case k == nil:
		return documented(c.Command[0] + " " + strings.Join(c.Args, " "))
	}
	for _, flag := range k.Model.Flags {
		names = append(names, flag.Envs...)
	}
	return names
}

// documented are the variables of a command of orkestro, from the page that is made of its grammar.
func documented(command string) []string {
	page, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		return nil
	}
	_, section, _ := strings.Cut(string(page), "\n## "+command+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	return regexp.MustCompile(`ORKESTRO_[A-Z_]+`).FindAllString(section, -1)
}

// try has the program of a container take its environment.
func try(c core.Container, found map[string]string) error {
	k, grammar, err := parser(c.Command[0])
	if k == nil || err != nil {
		return err
	}
	var args []string
	for _, flag := range k.Model.Flags {
		for _, name := range flag.Envs {
			if value, ok := found[name]; ok {
				args = append(args, "--"+flag.Name+"="+value)
			}
		}
	}
	if _, err := k.Parse(args); err != nil {
		return err
	}
	ended, end := context.WithCancel(context.Background())
	end()
	switch cfg := grammar.(type) {
	case *restapi.Config:
		return cfg.Validate()
	case *wrapper.Config:
		return cfg.Validate()
	case *mediaserver.Config:
		cfg.MembershipFile = "" // is in a Secret
		// It has no way to look at its settings alone; with them it comes as far as to do something, which the end forbids.
		err := mediaserver.Run(ended, *cfg, mediaserver.Deps{}, slog.New(slog.DiscardHandler))
		if err != nil && !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "operation was canceled") {
			return err
		}
	}
	return nil
}

var settingsSpoils = []spoil{
	{"setting of nobody", "", "there is no setting ORKESTRO_DRAIN_TIMEUOT", func(m *manifests) {
		named[*core.ConfigMap](*m, "mediaserver-settings").Data["ORKESTRO_DRAIN_TIMEUOT"] = "1h"
	}},
	{"setting of another", "", "wrapper: there is no setting ORKESTRO_STOP_DELAY", func(m *manifests) {
		named[*core.ConfigMap](*m, "wrapper-settings").Data["ORKESTRO_STOP_DELAY"] = "5s"
	}},
	{"setting of no command", "", "doctor: there is no setting ORKESTRO_PAUSE", func(m *manifests) {
		setVariable(containerOf(m, "doctor"), "ORKESTRO_PAUSE", "5s")
	}},
	{"unreadable", "", "--grace-time", func(m *manifests) {
		named[*core.ConfigMap](*m, "wrapper-settings").Data["ORKESTRO_GRACE_TIME"] = "30"
	}},
	{"out of range", "", "--grace-time", func(m *manifests) {
		named[*core.ConfigMap](*m, "wrapper-settings").Data["ORKESTRO_GRACE_TIME"] = "1ms"
	}},
	{"refused by the program", "", "ORKESTRO_MEDIA_URL", func(m *manifests) {
		setVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEDIA_URL", "http://10.0.0.1:8888/kurento")
	}},
	{"half of a fleet", "", "a fleet needs both", func(m *manifests) {
		dropVariable(containerOf(m, "mediaserver"), "ORKESTRO_MONGO_URL")
	}},
	{"missing", "", "ORKESTRO_TOKEN_SECRET", func(m *manifests) {
		dropVariable(containerOf(m, "restapi"), "ORKESTRO_TOKEN_SECRET")
	}},
	{"reference to what comes later", "", "refers to nothing before it", func(m *manifests) {
		slices.Reverse(containerOf(m, "mediaserver").Env)
	}},
}
