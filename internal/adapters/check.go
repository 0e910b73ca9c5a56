package adapters

import "errors"

// Check finds out whether an adapter's program could be started: it is there,
// it can be read, and it is the one that its pin names. It starts nothing and
// may be called concurrently. The error is [ErrNotInstalled], [ErrStart] or
// [ErrPin].
func (h *Host) Check(name string) error {
	path, err := h.find(name)
	if err != nil {
		return err
	}
	p, err := openProgram(name, path, h.opt.Lock)
	if err != nil {
		return err
	}
	return errors.Join(p.verify(), p.close())
}
