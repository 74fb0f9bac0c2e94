#include "files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "provisor.h"

#define INVENTORY "inventory.txt"

enum { MAX_FILE = 1 << 20 };

static enum read_result read_file(const char *path, const char *name, struct text *content) {
  FILE *f = fopen(path, "rb");
  if (!f && errno == ENOENT) return READ_MISSING;
  content->bytes = need(MAX_FILE + 1);
  content->size = f ? fread(content->bytes, 1, MAX_FILE + 1, f) : 0;
  bool ok = f && !ferror(f);
  if (f) fclose(f);
  if (!ok) {
    fail("%s: it can't be read", name);
    return READ_FAILED;
  }
  if (content->size > MAX_FILE) {
    fail("%s: more than %d bytes", name, MAX_FILE);
    return READ_FAILED;
  }
  return READ_OK;
}

enum read_result read_template_file(const char *name, struct text *content) {
  char path[64];
  snprintf(path, sizeof path, PROVISOR_WORK_DIR "/%s", name);
  return read_file(path, name, content);
}

bool read_inventory(struct inventory *v) {
  struct text content;
  switch (read_template_file(INVENTORY, &content)) {
    case READ_MISSING:
      return fail(INVENTORY ": the template has no such file");
    case READ_FAILED:
      return false;
    case READ_OK:
      break;
  }
  return inventory_parse(v, INVENTORY, content.bytes, content.size);
}

bool keep(const char *file, const struct inventory *v) {
  struct text t = inventory_format(v);
  return write_file(file, t.bytes, t.size) || fail("%s: %s", file, failure());
}

bool kept(const char *file, struct inventory *v) {
  struct text content;
  switch (read_file(file, file, &content)) {
    case READ_MISSING:
      v->count = 0;
      return true;
    case READ_FAILED:
      return false;
    case READ_OK:
      break;
  }
  return inventory_parse(v, file, content.bytes, content.size);
}

bool forget(const char *file) {
  if (unlink(file) < 0 && errno != ENOENT) return fail("%s: it can't be removed: %s", file, strerror(errno));
  return true;
}

bool write_file(const char *file, const void *bytes, size_t size) {
  FILE *f = fopen(file, "wb");
  if (!f) return fail("it can't be written: %s", strerror(errno));
  bool ok = fwrite(bytes, 1, size, f) == size;
  if (fclose(f) != 0 || !ok) return fail("it can't be written: %s", strerror(errno));
  return true;
}
