package roster

import "log/slog"

// redacted stands for a secret wherever it could be shown.
const redacted = "[redacted]"

// Secret is text that no log, error, metric or page may show. Printing it in
// any form shows a placeholder; only Reveal returns it.
type Secret struct{ value string }

// NewSecret wraps a secret.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal returns the secret for the one place that needs it.
func (s Secret) Reveal() string { return s.value }

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
