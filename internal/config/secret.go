package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/rosterd/rosterd/internal/roster"
)

// maxSecret bounds a secret in bytes.
const maxSecret = 64 << 10

var (
	envName        = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credentialName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.@-]{0,254}$`)
)

// isReference reports whether a value is a reference to a secret: a mapping
// with exactly one key, env, file or credential.
func isReference(v value) bool {
	if !v.is(yaml.MappingNode) || len(v.node.Content) != 2 {
		return false
	}
	switch v.node.Content[0].Value {
	case "env", "file", "credential":
		return true
	}
	return false
}

// secret resolves a reference; the zero Secret where there is none, or it
// cannot be resolved.
func (l *loader) secret(v value) roster.Secret {
	if !isReference(v) {
		return roster.Secret{}
	}
	text, problem, hint := l.lookUp(v)
	if problem == "" {
		return roster.NewSecret(text)
	}
	l.cfg.unresolved[v.node] = true
	severity := SeverityError
	if l.opts.SkipSecrets {
		severity = SeverityWarning
	}
	l.find(severity, v, CodeSecret, problem, hint)
	return roster.Secret{}
}

// lookUp finds a secret, or says why it cannot and what to do.
func (l *loader) lookUp(v value) (text, problem, hint string) {
	for source, at := range v.entries() {
		name, ok := at.text()
		switch {
		case !ok:
			at.src.hide(at.node)
			return "", "the reference to a secret names nothing", hintSecret
		case source == "env":
			return l.fromEnv(at, name)
		case source == "credential":
			return l.fromCredential(at, name)
		}
		l.cfg.SecretFiles = append(l.cfg.SecretFiles, resolve(v.src.dir, name))
		return l.opts.fromFile(resolve(v.src.dir, name), name)
	}
	return "", "", ""
}

func (l *loader) fromEnv(v value, name string) (text, problem, hint string) {
	if !envName.MatchString(name) {
		v.src.hide(v.node)
		return "", "the environment variable's name is none", "write the name of a variable, such as {env: INTANDEM_TOKEN}, and not its value"
	}
	text = l.opts.Getenv(name)
	if text == "" {
		return "", "environment variable " + name + " is not set", "set it for the daemon, for example with EnvironmentFile= in its systemd unit"
	}
	return checkText(text)
}

func (l *loader) fromCredential(v value, name string) (text, problem, hint string) {
	if !credentialName.MatchString(name) || strings.Contains(name, "..") {
		v.src.hide(v.node)
		return "", "the credential's name is none", "write a file name of letters, digits, - _ and ., such as {credential: intandem}, and not the secret"
	}
	dir := l.opts.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", "credential " + quote(name) + " cannot be read: CREDENTIALS_DIRECTORY is not set",
			"systemd sets it when the unit has  LoadCredential=" + name + ":PATH ; without systemd set it to a folder with a file " + name
	}
	text, problem, _ = l.opts.fromFile(filepath.Join(dir, name), name)
	if problem != "" {
		problem = "credential " + strings.TrimPrefix(problem, "secret file ")
	}
	return text, problem, "add  LoadCredential=" + name + ":PATH  to the systemd unit, and write the secret into PATH"
}

func (o Options) fromFile(path, name string) (text, problem, hint string) {
	const advice = "write the secret into the file, readable only by the daemon's user"
	content, err := o.read(path, maxSecret)
	if err != nil {
		return "", "secret file " + quote(name) + " cannot be read: " + reason(err), advice
	}
	// Editors and echo end a file with a line break that is not meant.
	text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", "secret file " + quote(name) + " is empty", advice
	}
	return checkText(text)
}

// checkText refuses what JSON cannot carry to an adapter unchanged.
func checkText(text string) (_, problem, hint string) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", "the secret is no text", "write it as UTF-8 text, for example in base64 or hex"
	}
	return text, "", ""
}
