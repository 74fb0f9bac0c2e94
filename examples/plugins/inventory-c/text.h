// Texts that grow, and the text of what went wrong.
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

// A zero text is empty. The bytes are followed by a zero that does not count.
struct text {
  char *bytes;
  size_t size;
};

// text_add appends what printf would write. Without memory it ends the instance.
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

// fail notes what went wrong, and returns false for the caller to return. One request runs at a time, so one note is enough.
bool fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// failure is what fail noted last.
const char *failure(void);

// need returns zeroed memory that lasts until release. Without memory it ends the instance.
void *need(size_t size);

// release frees all that need gave.
void release(void);

#endif
