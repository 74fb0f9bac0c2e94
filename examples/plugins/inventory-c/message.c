#include "message.h"

#include <string.h>

#include "provisor.h"

static bool decode_bytes(pb_istream_t *in, const pb_field_t *field, void **arg) {
  (void)field;
  struct text *to = *arg;
  // The state of a stream over a buffer is where it stands in the buffer.
  *to = (struct text){in->state, in->bytes_left};
  return pb_read(in, NULL, in->bytes_left);
}

pb_callback_t bytes_field(struct text *to) { return (pb_callback_t){.funcs.decode = decode_bytes, .arg = to}; }

static bool encode_bytes(pb_ostream_t *out, const pb_field_t *field, void *const *arg) {
  const struct text *from = *arg;
  return pb_encode_tag_for_field(out, field) && pb_encode_string(out, (const pb_byte_t *)from->bytes, from->size);
}

pb_callback_t bytes_value(const struct text *from) {
  if (from->size == 0) return (pb_callback_t){0};
  return (pb_callback_t){.funcs.encode = encode_bytes, .arg = (void *)from};
}

pb_callback_t text_value(const char *from) {
  struct text *t = need(sizeof *t);
  *t = (struct text){(char *)from, strlen(from)};
  return bytes_value(t);
}

bool find_message(pb_istream_t *in, bool (*known)(uint32_t tag), uint32_t *tag, pb_istream_t *message) {
  pb_wire_type_t type;
  bool found = false, end = false;
  uint32_t next;
  while (pb_decode_tag(in, &type, &next, &end)) {
    if (type != PB_WT_STRING || !known(next)) {
      if (!pb_skip_field(in, type)) break;
      continue;
    }
    pb_istream_t rest;
    if (!pb_make_string_substream(in, &rest)) break;
    *message = rest;
    *tag = next;
    found = true;
    if (!pb_close_string_substream(in, &rest)) break;
  }
  if (!end) return fail("the request does not decode: %s", PB_GET_ERROR(in));
  return found || fail("the request is of an unknown kind");
}

static bool encode_response(pb_ostream_t *out, uint32_t tag, const pb_msgdesc_t *fields, const void *message) {
  return pb_encode_tag(out, PB_WT_STRING, tag) && pb_encode_submessage(out, fields, message);
}

bool respond(uint32_t tag, const pb_msgdesc_t *fields, const void *message) {
  pb_ostream_t sizing = PB_OSTREAM_SIZING;
  if (!encode_response(&sizing, tag, fields, message)) return fail("encode the answer: %s", PB_GET_ERROR(&sizing));
  pb_byte_t *bytes = need(sizing.bytes_written);
  pb_ostream_t out = pb_ostream_from_buffer(bytes, sizing.bytes_written);
  if (!encode_response(&out, tag, fields, message)) return fail("encode the answer: %s", PB_GET_ERROR(&out));
  int32_t result = provisor_respond((int32_t)bytes, (int32_t)out.bytes_written);
  return result >= 0 || fail("hand over an answer of %zu bytes: errno %d", out.bytes_written, -(int)result);
}
