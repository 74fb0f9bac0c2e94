// A reader of tar archives: POSIX (with pax headers) and GNU (with long names).
#ifndef TAR_H
#define TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAR_MAX_NAME = 4096 };  // Linux takes no longer path.

struct tar_entry {
  char name[TAR_MAX_NAME + 1];
  char type;  // as in the header; '0' for a regular file, '5' for a directory
  const uint8_t *data;
  size_t size;
};

struct tar {
  const uint8_t *bytes;
  size_t size, at;
};

enum tar_result { TAR_ENTRY, TAR_END, TAR_FAILED };

// tar_next reads the next entry. An archive may end after any entry, with or without closing blocks, but not inside one.
enum tar_result tar_next(struct tar *t, struct tar_entry *e);

#endif
