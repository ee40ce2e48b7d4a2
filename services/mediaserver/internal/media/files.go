package media

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxURIBytes is the longest path that Linux takes: every folder in a longer one would be looked for in vain.
const maxURIBytes = 4096

// files is the one folder that recorders write to and players read from. Nothing outside of it can be named, by no name
// and through no symbolic link. Safe for concurrent use.
type files struct {
	root *os.Root // nil: files are not allowed
	dir  string   // without symbolic links

	mu      sync.Mutex
	writing map[string]bool // names that are being recorded into
}

func openFiles(dir string) (*files, error) {
	f := &files{writing: map[string]bool{}}
	if dir == "" {
		return f, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if f.dir, err = filepath.EvalSymlinks(absolute); err != nil {
		return nil, err
	}
	f.root, err = os.OpenRoot(f.dir)
	return f, err
}

// HasFiles reports whether there is a folder for recorders and players.
func (s *Server) HasFiles() bool { return s.files.root != nil }

func (f *files) close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// name is that of a file in the folder by its URI: file:///path/in/the/folder, or relative to the folder without a
// scheme, as Kurento has it. Errors are [*Error].
func (f *files) name(uri string) (string, error) {
	if len(uri) > maxURIBytes {
		return "", errorf(codeIllegalParam, "parameter 'uri': %d bytes, at most %d are allowed", len(uri), maxURIBytes)
	}
	parsed, err := url.Parse(uri)
	if err != nil {
		return "", errorf(codeIllegalParam, "parameter 'uri': %v", err)
	}
	path := parsed.Path
	switch {
	case parsed.Scheme == "rtsp" || parsed.Scheme == "rtsps":
		return "", errorf(codeNotAvailable, "parameter 'uri': this server does not play RTSP")
	case parsed.Scheme != "file" && parsed.Scheme != "", parsed.Opaque != "",
		parsed.Host != "" && parsed.Host != "localhost":
		return "", errorf(codeIllegalParam, "parameter 'uri': only files of this machine (file:///path) are available")
	case f.root == nil:
		return "", errorf(codeNotAvailable, "files are not available: the server was started without --media-files")
	case filepath.IsAbs(path):
		if path, err = filepath.Rel(f.dir, f.resolved(path)); err != nil {
			return "", errorf(codeIllegalParam, "parameter 'uri': %v", err)
		}
	}
	path = filepath.Clean(path)
	if !filepath.IsLocal(path) || path == "." {
		return "", errorf(codeIllegalParam, "parameter 'uri': outside of the folder that --media-files names")
	}
	return path, nil
}

// resolved is a path through the folder's own name if it names the folder through a symbolic link.
func (f *files) resolved(path string) string {
	path = filepath.Clean(path)
	for parent := path; parent != filepath.Dir(parent); parent = filepath.Dir(parent) {
		if real, err := filepath.EvalSymlinks(parent); err == nil && real == f.dir {
			return filepath.Join(f.dir, strings.TrimPrefix(path, parent))
		}
	}
	return path
}

// create makes an empty file, with the folders that lead to it, in place of one that is there, as Kurento does: who
// reads the old one still has it. A file is written by one recorder at a time, until done.
func (f *files) create(name string) (file *os.File, done func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writing[name] {
		return nil, nil, errorf(codeIllegalParam, "'%s' is being recorded into", name)
	}
	if err = f.root.MkdirAll(filepath.Dir(name), 0o750); err == nil {
		err = f.remove(name)
	}
	if err == nil {
		file, err = f.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	}
	if err != nil {
		return nil, nil, errorf(codeIllegalParam, "record into '%s': %v", name, err)
	}
	f.writing[name] = true
	return file, func() { f.finished(name) }, nil
}

// remove makes place for a file, but not of a folder.
func (f *files) remove(name string) error {
	info, err := f.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && info.IsDir():
		return errors.New("there is a folder of that name")
	case err == nil:
		err = f.root.Remove(name)
	}
	return err
}

func (f *files) finished(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.writing, name)
}

// open gives a file and its size. Errors are [*Error].
func (f *files) open(name string) (*os.File, int64, error) {
	info, err := f.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: not a file", fs.ErrInvalid) // a pipe would keep us waiting
	}
	var file *os.File
	if err == nil {
		file, err = f.root.Open(name)
	}
	if err != nil {
		return nil, 0, errorf(codeFileNotFound, "'%s': %v", name, err)
	}
	if info, err = file.Stat(); err != nil {
		_ = file.Close()
		return nil, 0, errorf(codeFileNotFound, "'%s': %v", name, err)
	}
	return file, info.Size(), nil
}
