package attack

func floods() []attack   { return nil }
func files() []attack    { return nil }
func programs() []attack { return nil }
func modules() []attack  { return nil }
func archives() []attack { return nil }
func clients() []attack  { return nil }
func servers() []attack  { return nil }
