package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// MasterKeyBytes is the length of the master key.
const MasterKeyBytes = 32

// KeyID tells master keys apart without revealing them. It leads every sealed
// value, so that a value sealed with another key is recognised.
type KeyID [4]byte

// String returns the id in hex.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Keyring derives every key that seals from one master key: HKDF with SHA-256
// and the purpose as its info, so that no key serves two purposes. It is safe for
// concurrent use.
type Keyring struct {
	id     KeyID
	master []byte
}

// NewKeyring makes a keyring from a master key: 32 bytes, or the same as 64 hex
// digits with white space around them (as `openssl rand -hex 32` prints it).
func NewKeyring(master []byte) (*Keyring, error) {
	key := bytes.Clone(master)
	if len(key) != MasterKeyBytes {
		var err error
		if key, err = hex.DecodeString(string(bytes.TrimSpace(master))); err != nil || len(key) != MasterKeyBytes {
			return nil, errors.New("the master key is neither 32 bytes nor 64 hex digits: make one with `openssl rand -hex 32`")
		}
	}
	k := &Keyring{master: key}
	id, err := k.derive("key id", nil)
	if err != nil {
		return nil, err
	}
	copy(k.id[:], id)
	return k, nil
}

// ID returns the id of the master key.
func (k *Keyring) ID() KeyID { return k.id }

// derive returns the 32-byte key of one purpose.
func (k *Keyring) derive(purpose string, salt []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.master, salt, keyPurpose+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}

// keyPurpose leads the purposes of all keys.
const keyPurpose = "rosterd "

// Names derives the keys under which records are named and digested: markers that
// targets hold, ids of entries, digests of what was sent. They are those of the
// master key with which an installation began, for ever: a database keeps them,
// sealed, so that another master key changes none of them.
type Names struct{ root []byte }

// Names returns the names of an installation that begins with this master key.
func (k *Keyring) Names() (*Names, error) {
	root, err := hkdf.Extract(sha256.New, k.master, nil)
	if err != nil {
		return nil, fmt.Errorf("derive the keys of names: %w", err)
	}
	return &Names{root: root}, nil
}

// namesPlace binds sealed names to what they are.
const namesPlace = "names"

// SealNames returns names as a database keeps them.
func (k *Keyring) SealNames(n *Names) ([]byte, error) {
	s, err := k.Sealer(namesPlace)
	if err != nil {
		return nil, err
	}
	return s.Seal(n.root, []byte(namesPlace)), nil
}

// OpenNames is the reverse of [Keyring.SealNames].
func (k *Keyring) OpenNames(sealed []byte) (*Names, error) {
	s, err := k.Sealer(namesPlace)
	if err != nil {
		return nil, err
	}
	root, err := s.Open(sealed, []byte(namesPlace))
	if err != nil {
		return nil, fmt.Errorf("the keys of names: %w", err)
	}
	return &Names{root: root}, nil
}

// Derive returns the 32-byte key of one purpose.
func (n *Names) Derive(purpose string) ([]byte, error) {
	key, err := hkdf.Expand(sha256.New, n.root, keyPurpose+purpose, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", purpose, err)
	}
	return key, nil
}

// sealedVersion leads a sealed value: version, key id, nonce, text, tag.
const sealedVersion = 1

const sealedHeader = 1 + len(KeyID{})

// Sealer seals values of one purpose with AES-256-GCM under random nonces,
// which is safe for some four thousand million values. It is safe for
// concurrent use.
type Sealer struct {
	id   KeyID
	aead cipher.AEAD
}

// Sealer returns the sealer of one purpose.
func (k *Keyring) Sealer(purpose string) (*Sealer, error) {
	key, err := k.derive(purpose, nil)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher for %s: %w", purpose, err)
	}
	return &Sealer{id: k.id, aead: aead}, nil
}

// Seal returns value sealed. It opens again only with the same place, which
// names where the value is kept: a value moved elsewhere does not open.
func (s *Sealer) Seal(value, place []byte) []byte {
	return s.AppendSealed(make([]byte, 0, s.SealedLen(len(value))), value, place)
}

// AppendSealed is [Sealer.Seal] that appends to b, which value does not share memory
// with.
func (s *Sealer) AppendSealed(b, value, place []byte) []byte {
	b = append(append(b, sealedVersion), s.id[:]...)
	return s.aead.Seal(b, nil, value, place)
}

// SealedLen is the length of a sealed value of n bytes.
func (s *Sealer) SealedLen(n int) int { return sealedHeader + n + s.aead.Overhead() }

// Open returns the value in sealed, or [ErrSealed].
func (s *Sealer) Open(sealed, place []byte) ([]byte, error) {
	if len(sealed) < sealedHeader+s.aead.Overhead() || sealed[0] != sealedVersion {
		return nil, fmt.Errorf("%w: it is cut or not of this version", ErrSealed)
	}
	if err := s.id.check(sealed[1:sealedHeader]); err != nil {
		return nil, err
	}
	value, err := s.aead.Open(nil, nil, sealed[sealedHeader:], place)
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed or moved", ErrSealed)
	}
	return value, nil
}

func (id KeyID) check(found []byte) error {
	if bytes.Equal(found, id[:]) {
		return nil
	}
	return fmt.Errorf("%w: it was sealed with master key %x, the configured one is %s", ErrSealed, found, id)
}
