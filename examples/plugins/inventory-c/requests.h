// The five requests. Each answers by respond, and returns false only where that was not possible.
#ifndef REQUESTS_H
#define REQUESTS_H

#include <pb_decode.h>

bool handle_init(pb_istream_t *request);
bool handle_parse(pb_istream_t *request);
bool handle_plan(pb_istream_t *request);
bool handle_apply(pb_istream_t *request);
bool handle_graph(pb_istream_t *request);

#endif
