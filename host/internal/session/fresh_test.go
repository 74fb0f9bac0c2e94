package session

import "testing"

func TestFreshInstances(t *testing.T) {
	f := newFixture(t, succeed)
	f.options.FreshInstances = true
	s := f.configured(t)
	succeedAll(t, s, initRequest(), parseRequest(), planRequest(), graphRequest())
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, s, 0, "")
	if made := f.instances(); made != 4 {
		t.Errorf("%d instances served 4 requests", made)
	}
}
