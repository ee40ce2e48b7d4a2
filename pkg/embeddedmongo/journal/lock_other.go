//go:build !unix

package journal

import (
	"errors"
	"os"
)

// takeLock: without a lock that ends with its process, a directory cannot be kept safe.
func takeLock(string) (*os.File, error) { return nil, errors.ErrUnsupported }
