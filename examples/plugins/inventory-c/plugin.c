// A plugin whose templates list resources in inventory.txt. The README.md one directory up describes the template, the plan
// and the state.

#include <stdio.h>
#include <stdlib.h>

#include "message.h"
#include "provisioner.pb.h"
#include "provisor.h"
#include "requests.h"

int32_t provisor_abi_version(void) { return PROVISOR_ABI_VERSION; }

int32_t provisor_alloc(int32_t size) { return (int32_t)malloc((size_t)(uint32_t)size); }

static const struct {
  uint32_t tag;
  bool (*handle)(pb_istream_t *request);
} handlers[] = {
    {provisioner_Request_init_tag, handle_init},   {provisioner_Request_parse_tag, handle_parse},
    {provisioner_Request_plan_tag, handle_plan},   {provisioner_Request_apply_tag, handle_apply},
    {provisioner_Request_graph_tag, handle_graph},
};

enum { HANDLERS = sizeof handlers / sizeof handlers[0] };

static int handler_of(uint32_t tag) {
  int i = 0;
  while (i < HANDLERS && handlers[i].tag != tag) i++;
  return i;
}

static bool known(uint32_t tag) { return handler_of(tag) < HANDLERS; }

static bool dispatch(pb_istream_t *in) {
  uint32_t tag;
  pb_istream_t request;
  return find_message(in, known, &tag, &request) && handlers[handler_of(tag)].handle(&request);
}

int32_t provisor_handle(int32_t ptr, int32_t size) {
  pb_byte_t *request = (pb_byte_t *)ptr;
  pb_istream_t in = pb_istream_from_buffer(request, (size_t)(uint32_t)size);
  bool ok = dispatch(&in);
  if (!ok) fprintf(stderr, "%s\n", failure());
  release();
  free(request);
  return ok ? 0 : 1;
}
