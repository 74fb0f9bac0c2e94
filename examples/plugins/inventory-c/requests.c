#include "requests.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "files.h"
#include "inventory.h"
#include "message.h"
#include "plan.h"
#include "provisioner.pb.h"
#include "provisor.h"

static void __attribute__((format(printf, 2, 3))) say(int32_t level, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  provisor_log(level, (int32_t)text, (int32_t)strlen(text));
}

static bool decode(pb_istream_t *in, const pb_msgdesc_t *fields, void *message) {
  return pb_decode(in, fields, message) || fail("decode the request: %s", PB_GET_ERROR(in));
}

static bool still_wanted(const char *request) { return !provisor_canceled() || fail("%s: canceled", request); }

bool handle_init(pb_istream_t *request) {
  struct text archive = {0};
  provisioner_InitRequest req = provisioner_InitRequest_init_zero;
  req.template_source_archive = bytes_field(&archive);
  provisioner_InitComplete complete = provisioner_InitComplete_init_zero;
  if (!decode(request, provisioner_InitRequest_fields, &req) || !archive_extract((const uint8_t *)archive.bytes, archive.size))
    complete.error = text_value(failure());
  return respond(provisioner_Response_init_tag, provisioner_InitComplete_fields, &complete);
}

static bool parse(struct text *readme) {
  struct inventory *v = need(sizeof *v);
  if (!still_wanted("parse") || !read_inventory(v)) return false;
  say(PROVISOR_DEBUG, "inventory.txt: %d resources", v->count);
  return read_template_file("README.md", readme) != READ_FAILED;
}

bool handle_parse(pb_istream_t *request) {
  (void)request;  // it has no fields
  struct text readme = {0};
  provisioner_ParseComplete complete = provisioner_ParseComplete_init_zero;
  if (parse(&readme))
    complete.readme = bytes_value(&readme);
  else
    complete.error = text_value(failure());
  return respond(provisioner_Response_parse_tag, provisioner_ParseComplete_fields, &complete);
}

// load_state reads the state to plan from: the request's, or else what the session has so far.
static bool load_state(struct inventory *state, const struct text *requested) {
  if (requested->size == 0) return kept(STATE_FILE, state);
  return inventory_parse(state, "state", requested->bytes, requested->size) && keep(STATE_FILE, state);
}

static bool plan(pb_istream_t *request, struct plan *p, int32_t *cost) {
  struct text requested = {0};
  provisioner_PlanRequest req = provisioner_PlanRequest_init_zero;
  req.state = bytes_field(&requested);
  struct inventory *state = need(sizeof *state), *wanted = need(sizeof *wanted);
  if (!still_wanted("plan") || !decode(request, provisioner_PlanRequest_fields, &req)) return false;
  // Should this plan fail, there is none.
  if (!forget(PLANNED_FILE) || !load_state(state, &requested) || !read_inventory(wanted)) return false;
  if (req.has_metadata && req.metadata.workspace_transition == provisioner_WorkspaceTransition_DESTROY) wanted->count = 0;
  for (int i = 0; i < wanted->count; i++) *cost += wanted->resources[i].cost;
  plan_compare(p, state, wanted);
  return keep(PLANNED_FILE, wanted);
}

bool handle_plan(pb_istream_t *request) {
  provisioner_PlanComplete complete = provisioner_PlanComplete_init_zero;
  struct plan *p = need(sizeof *p);
  struct text document = {0};
  if (plan(request, p, &complete.dailyCost)) {
    document = plan_json(p);
    complete.plan = bytes_value(&document);
    for (int i = 0; i < p->count; i++) {
      const struct change *c = &p->changes[i];
      const struct resource *r = plan_resource(c);
      if (c->action != action_none) say(PROVISOR_INFO, "%s.%s: to %s", r->type, r->name, c->action);
    }
  } else {
    complete.dailyCost = 0;
    complete.error = text_value(failure());
  }
  return respond(provisioner_Response_plan_tag, provisioner_PlanComplete_fields, &complete);
}

// apply makes what was planned the state. On failure the state is as before.
static bool apply(struct inventory *state) {
  struct inventory *planned = need(sizeof *planned);
  if (!still_wanted("apply") || !kept(PLANNED_FILE, planned) || !keep(STATE_FILE, planned)) return false;
  struct plan *p = need(sizeof *p);
  plan_compare(p, state, planned);
  for (int i = 0; i < p->count; i++) {
    const struct change *c = &p->changes[i];
    const struct resource *r = plan_resource(c);
    if (c->action != action_none) say(PROVISOR_INFO, "%s.%s: %sd", r->type, r->name, c->action);
  }
  *state = *planned;
  return true;
}

bool handle_apply(pb_istream_t *request) {
  (void)request;  // what to do is in the plan
  provisioner_ApplyComplete complete = provisioner_ApplyComplete_init_zero;
  struct inventory *state = need(sizeof *state);
  struct text text = {0};
  bool known = kept(STATE_FILE, state);
  if (!known || !apply(state)) complete.error = text_value(failure());
  if (known) text = inventory_format(state);
  complete.state = bytes_value(&text);
  return respond(provisioner_Response_apply_tag, provisioner_ApplyComplete_fields, &complete);
}

static bool encode_resources(pb_ostream_t *out, const pb_field_t *field, void *const *arg) {
  const struct inventory *v = *arg;
  for (int i = 0; i < v->count; i++) {
    provisioner_Resource r = provisioner_Resource_init_zero;
    r.type = text_value(v->resources[i].type);
    r.name = text_value(v->resources[i].name);
    r.daily_cost = v->resources[i].cost;
    if (!pb_encode_tag_for_field(out, field) || !pb_encode_submessage(out, provisioner_Resource_fields, &r)) return false;
  }
  return true;
}

static bool graph(pb_istream_t *request, struct inventory *v) {
  provisioner_GraphRequest req = provisioner_GraphRequest_init_zero;
  if (!still_wanted("graph") || !decode(request, provisioner_GraphRequest_fields, &req)) return false;
  switch (req.source) {
    case provisioner_GraphSource_SOURCE_PLAN:
      return kept(PLANNED_FILE, v);
    case provisioner_GraphSource_SOURCE_STATE:
      return kept(STATE_FILE, v);
    default:
      return fail("graph: the source must be the plan (1) or the state (2), not %d", (int)req.source);
  }
}

bool handle_graph(pb_istream_t *request) {
  provisioner_GraphComplete complete = provisioner_GraphComplete_init_zero;
  struct inventory *v = need(sizeof *v);
  if (graph(request, v))
    complete.resources = (pb_callback_t){.funcs.encode = encode_resources, .arg = v};
  else
    complete.error = text_value(failure());
  return respond(provisioner_Response_graph_tag, provisioner_GraphComplete_fields, &complete);
}
