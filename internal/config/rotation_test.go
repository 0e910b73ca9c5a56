package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rosterd/rosterd/internal/config"
)

func TestTwoExportSecretsAreValidAtATime(t *testing.T) {
	for name, tt := range map[string]struct {
		secret string
		want   []string
	}{
		"one": {"{env: NEXT}", []string{"n3xt-secret-of-the-export-path-01234"}},
		"two": {"[{env: NEXT}, {env: FORMER}]", []string{"n3xt-secret-of-the-export-path-01234", "f0rmer-secret-of-the-export-path-567"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			text := "version: 1\nstate_dir: s\npublic_url: https://sync.example.com\nexport: {secret: " + tt.secret + "}\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{
				"NEXT": "n3xt-secret-of-the-export-path-01234", "FORMER": "f0rmer-secret-of-the-export-path-567",
			}
			cfg, err := config.Load(path, config.Options{Getenv: func(name string) string { return env[name] }})
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Export.Secrets) != len(tt.want) {
				t.Fatalf("%d secrets, want %d", len(cfg.Export.Secrets), len(tt.want))
			}
			for i, want := range tt.want {
				if cfg.Export.Secrets[i].Reveal() != want {
					t.Errorf("secret %d is another than configured", i)
				}
			}
		})
	}
}
