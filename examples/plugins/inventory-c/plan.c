#include "plan.h"

const char action_create[] = "create", action_update[] = "update", action_delete[] = "delete", action_none[] = "no-op";

static const char *action_of(const struct resource *before, const struct resource *after) {
  if (!before) return action_create;
  return before->cost == after->cost ? action_none : action_update;
}

void plan_compare(struct plan *p, const struct inventory *have, const struct inventory *wanted) {
  p->count = 0;
  for (int i = 0; i < wanted->count; i++) {
    const struct resource *after = &wanted->resources[i];
    const struct resource *before = inventory_find(have, after);
    p->changes[p->count++] = (struct change){action_of(before, after), before, after};
  }
  for (int i = 0; i < have->count; i++) {
    const struct resource *before = &have->resources[i];
    if (!inventory_find(wanted, before)) p->changes[p->count++] = (struct change){action_delete, before, NULL};
  }
}

const struct resource *plan_resource(const struct change *c) { return c->after ? c->after : c->before; }

static void add_attributes(struct text *t, const char *key, const struct resource *r) {
  if (r)
    text_add(t, ",\"%s\":{\"daily_cost\":%d}", key, (int)r->cost);
  else
    text_add(t, ",\"%s\":null", key);
}

// Types and names need no escapes in JSON.
struct text plan_json(const struct plan *p) {
  struct text t = {0};
  text_add(&t, "{\"format_version\":\"1.0\",\"resource_changes\":[");
  for (int i = 0; i < p->count; i++) {
    const struct change *c = &p->changes[i];
    const struct resource *r = plan_resource(c);
    text_add(&t, "%s{\"address\":\"%s.%s\",\"mode\":\"managed\",\"type\":\"%s\",\"name\":\"%s\"", i ? "," : "", r->type, r->name,
             r->type, r->name);
    text_add(&t, ",\"change\":{\"actions\":[\"%s\"]", c->action);
    add_attributes(&t, "before", c->before);
    add_attributes(&t, "after", c->after);
    text_add(&t, "}}");
  }
  text_add(&t, "]}");
  return t;
}
