package registry

import (
	"context"
	"maps"

	"github.com/provisor/provisor/host/internal/plugin"
	"github.com/provisor/provisor/host/internal/plugin/store"
)

// chosen is what operators have chosen, as it is now.
func (r *Registry) chosen() *store.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored
}

// current is what sessions go by now.
func (r *Registry) current() *store.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// change replaces what operators have chosen by what mutate makes of it. What sessions may get afterwards is loaded before anything changes: if it can't
// be, all stays as it was. mutate may be called several times, each time with a copy of the state as it is then.
func (r *Registry) change(ctx context.Context, mutate func(*store.State) error) error {
	if err := r.writable(); err != nil {
		return err
	}
	for {
		now, declared := r.chosen(), r.declaration()
		next := now.Clone()
		if err := mutate(next); err != nil {
			return err
		}
		fresh, err := r.loadMissing(ctx, declared.over(now), declared.over(next))
		if err != nil && ctx.Err() == nil && r.chosen() != now {
			continue // it may have been removed meanwhile
		}
		if err != nil {
			return err
		}
		done, err := r.commit(mutate, fresh)
		r.dropAll(fresh)
		if done || err != nil {
			return err
		}
	}
}

// writable says why nothing can be changed.
func (r *Registry) writable() error {
	switch {
	case r.o.Store == nil:
		return errorf(Conflict, "this daemon has no place for installed plugins")
	case r.o.Store.ReadOnly():
		return &Error{Conflict, store.ErrReadOnly}
	}
	return nil
}

// loadMissing loads what sessions may get in the next state and is not loaded yet. What could not be loaded before may stay so.
func (r *Registry) loadMissing(ctx context.Context, now, next *store.State) (map[string]*version, error) {
	r.mu.Lock()
	held := maps.Clone(r.held)
	r.mu.Unlock()
	before, fresh := r.selected(now), make(map[string]*version)
	for key, ref := range r.selected(next) {
		if held[key] != nil {
			continue
		}
		v, err := r.load(ctx, key, ref, next)
		if _, known := before[key]; err != nil && !known {
			r.dropAll(fresh)
			return nil, errorf(Refused, "load the plugin %s: %w", ref, err)
		}
		if err == nil {
			fresh[key] = v
		}
	}
	return fresh, nil
}

// commit makes the change, unless another one came in between that asks for a version that is not loaded: then it is not done.
func (r *Registry) commit(mutate func(*store.State) error, fresh map[string]*version) (done bool, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	now, declared := r.chosen(), r.declaration()
	stored := now.Clone()
	if err := mutate(stored); err != nil {
		return false, err
	}
	next := declared.over(stored)
	selected := r.selected(next)
	if !r.covered(r.selected(declared.over(now)), selected, fresh) {
		return false, nil
	}
	if err := r.o.Store.Save(stored); err != nil {
		return false, err
	}
	r.dropAll(r.publish(declared, stored, next, selected, fresh))
	return true, nil
}

// covered says whether all that is selected is loaded, but for what could not be loaded before.
func (r *Registry) covered(before, selected map[string]plugin.Ref, fresh map[string]*version) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range selected {
		if _, known := before[key]; r.held[key] == nil && fresh[key] == nil && !known {
			return false
		}
	}
	return true
}

// publish makes the state the one that sessions go by. It takes what it needs from fresh, and returns what is not to be held any more.
func (r *Registry) publish(declared *Declared, stored, next *store.State, selected map[string]plugin.Ref, fresh map[string]*version) (unused map[string]*version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.declared, r.stored, r.state = declared, stored, next
	if r.closed {
		return nil
	}
	r.trials = r.trialsOf(next)
	unused = r.held
	r.held = make(map[string]*version, len(selected))
	for key := range selected {
		v := unused[key]
		if v == nil {
			if v = fresh[key]; v == nil {
				continue // it is broken as before
			}
			delete(fresh, key)
			delete(r.broken, key)
		}
		delete(unused, key)
		r.held[key] = v
	}
	return unused
}
