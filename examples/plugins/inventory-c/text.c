#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char note[1024];

bool fail(const char *format, ...) {
  char text[sizeof note];  // an argument may be the note itself
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(note, text, sizeof note);
  return false;
}

const char *failure(void) { return note; }

// All that need gave is in a list, the latest first.
struct piece {
  struct piece *before;
  _Alignas(16) char bytes[];
};

static struct piece *latest;

void *need(size_t size) {
  struct piece *p = size > SIZE_MAX - sizeof *p ? NULL : calloc(1, sizeof *p + size);
  if (!p) {
    fprintf(stderr, "there is no memory for %zu bytes\n", size);
    abort();
  }
  p->before = latest;
  latest = p;
  return p->bytes;
}

void release(void) {
  while (latest) {
    struct piece *p = latest;
    latest = p->before;
    free(p);
  }
}

void text_add(struct text *t, const char *format, ...) {
  char line[1024];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof line) abort();

  // The memory doubles: it has the size of the next power of two, 1 KiB at least.
  size_t have = 1024, want = 1024;
  while (have < t->size + 1) have *= 2;
  while (want < t->size + n + 1) want *= 2;
  if (!t->bytes || want > have) {
    char *bytes = need(want);
    if (t->bytes) memcpy(bytes, t->bytes, t->size);
    t->bytes = bytes;
  }
  memcpy(t->bytes + t->size, line, n + 1);
  t->size += n;
}
