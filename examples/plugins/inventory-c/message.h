// Reading requests and writing answers, on nanopb.
#ifndef MESSAGE_H
#define MESSAGE_H

#include <pb_decode.h>
#include <pb_encode.h>

#include "text.h"

// bytes_field has a field of bytes or text decoded to where it stands in the request, without a copy.
pb_callback_t bytes_field(struct text *to);

// bytes_value has a field of bytes or text encoded; none for an empty one.
pb_callback_t bytes_value(const struct text *from);

// text_value is bytes_value for a text that ends with a zero.
pb_callback_t text_value(const char *from);

// find_message finds the message that a Request holds, under one of the known tags. What else there is comes from a newer protocol.
bool find_message(pb_istream_t *in, bool (*known)(uint32_t tag), uint32_t *tag, pb_istream_t *message);

// respond hands the host a Response that holds the message under that tag.
bool respond(uint32_t tag, const pb_msgdesc_t *fields, const void *message);

#endif
