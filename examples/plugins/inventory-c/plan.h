// What a plan changes.
#ifndef PLAN_H
#define PLAN_H

#include "inventory.h"

// A change of one resource; before is NULL for one that is created, after for one that is deleted.
struct change {
  const char *action;
  const struct resource *before, *after;
};

struct plan {
  int count;
  struct change changes[2 * MAX_RESOURCES];
};

// What a plan does to a resource, in the words of Terraform's JSON.
extern const char action_create[], action_update[], action_delete[], action_none[];

// plan_compare makes what there is into what is wanted: in the order of what is wanted, deletions last.
void plan_compare(struct plan *p, const struct inventory *have, const struct inventory *wanted);

// plan_resource is the resource that is changed.
const struct resource *plan_resource(const struct change *c);

// plan_json writes the plan in the form of Terraform's (terraform show -json), as far as clients read it.
struct text plan_json(const struct plan *p);

#endif
