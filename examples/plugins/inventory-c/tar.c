#include "tar.h"

#include <string.h>

#include "text.h"

// Where the fields of a header are.
enum { BLOCK = 512, NAME = 0, NAME_SIZE = 100, SIZE = 124, NUMBER_SIZE = 12, CHECKSUM = 148, CHECKSUM_SIZE = 8, TYPE = 156, MAGIC = 257, PREFIX = 345, PREFIX_SIZE = 155 };

// What the special entries before an entry say of it.
struct extra {
  bool any, has_name, has_size;
  char name[TAR_MAX_NAME + 1];
  size_t size;
};

static bool cut(const struct tar *t) { return fail("the archive is cut: it ends at byte %zu", t->size); }

// octal reads digits up to a space or zero.
static bool octal(const uint8_t *field, size_t width, size_t *value) {
  size_t i = 0;
  while (i < width && field[i] == ' ') i++;
  for (*value = 0; i < width && field[i] != 0 && field[i] != ' '; i++) {
    if (field[i] < '0' || field[i] > '7' || *value > SIZE_MAX >> 3) return false;
    *value = *value << 3 | (field[i] - '0');
  }
  return true;
}

static bool checksum_holds(const uint8_t *header) {
  size_t want, sum = 0;
  for (size_t i = 0; i < BLOCK; i++) sum += i >= CHECKSUM && i < CHECKSUM + CHECKSUM_SIZE ? ' ' : header[i];
  return octal(header + CHECKSUM, CHECKSUM_SIZE, &want) && want == sum;
}

static bool is_zero(const uint8_t *block) {
  for (size_t i = 0; i < BLOCK; i++)
    if (block[i]) return false;
  return true;
}

static bool set_name(char *name, const uint8_t *bytes, size_t size) {
  if (size > TAR_MAX_NAME) return fail("a name has more than %d bytes", TAR_MAX_NAME);
  if (memchr(bytes, 0, size)) return fail("a name has a zero byte");
  memcpy(name, bytes, size);
  name[size] = 0;
  return true;
}

static bool is_key(const uint8_t *key, size_t size, const char *want) { return size == strlen(want) && !memcmp(key, want, size); }

static bool add_record(struct extra *x, const uint8_t *key, size_t key_size, const uint8_t *value, size_t value_size) {
  static const char sparse[] = "GNU.sparse.";
  if (key_size >= sizeof sparse - 1 && !memcmp(key, sparse, sizeof sparse - 1)) return fail("it has sparse files, which are not supported");
  if (is_key(key, key_size, "path")) {
    x->has_name = value_size > 0;
    return set_name(x->name, value, value_size);
  }
  if (is_key(key, key_size, "size")) {
    x->has_size = true;
    x->size = 0;
    for (size_t i = 0; i < value_size; i++) {
      if (value[i] < '0' || value[i] > '9' || x->size > (SIZE_MAX - 9) / 10) return fail("a pax header has a size that is no number");
      x->size = x->size * 10 + (value[i] - '0');
    }
  }
  return true;
}

// add_pax reads records: "LENGTH KEY=VALUE\n", where the length is that of the whole record.
static bool add_pax(struct extra *x, const uint8_t *bytes, size_t size) {
  while (size > 0) {
    size_t length = 0, i = 0;
    while (i < size && bytes[i] >= '0' && bytes[i] <= '9' && length <= size) length = length * 10 + (bytes[i++] - '0');
    if (i == 0 || i >= size || bytes[i] != ' ' || length <= i + 1 || length > size || bytes[length - 1] != '\n')
      return fail("a pax header is malformed");
    const uint8_t *key = bytes + i + 1;
    const uint8_t *equals = memchr(key, '=', length - i - 2);
    if (!equals) return fail("a pax header is malformed");
    if (!add_record(x, key, equals - key, equals + 1, bytes + length - 1 - (equals + 1))) return false;
    bytes += length;
    size -= length;
  }
  return true;
}

static size_t field_size(const uint8_t *field, size_t most) {
  const uint8_t *end = memchr(field, 0, most);
  return end ? (size_t)(end - field) : most;
}

// header_name is the name that the header itself has; POSIX gives it a prefix.
static void header_name(char *name, const uint8_t *header) {
  size_t at = 0, prefix = memcmp(header + MAGIC, "ustar\0", 6) ? 0 : field_size(header + PREFIX, PREFIX_SIZE);
  if (prefix > 0) {
    memcpy(name, header + PREFIX, prefix);
    name[prefix] = '/';
    at = prefix + 1;
  }
  size_t size = field_size(header + NAME, NAME_SIZE);
  memcpy(name + at, header + NAME, size);
  name[at + size] = 0;
}

// has_no_data says whether the size of such an entry means nothing: links, devices, directories, pipes.
static bool has_no_data(char type) { return type >= '1' && type <= '6'; }

// take_header reads one header and what belongs to it. Special entries come before the one that they speak of.
static bool take_header(struct tar *t, struct tar_entry *e, const struct extra *x) {
  if (t->size - t->at < BLOCK) return cut(t);
  const uint8_t *header = t->bytes + t->at;
  if (!checksum_holds(header)) return fail("not an uncompressed tar archive");
  if (!octal(header + SIZE, NUMBER_SIZE, &e->size)) return fail("the size of an entry is no number");
  header_name(e->name, header);
  e->type = header[TYPE];
  bool special = e->type == 'x' || e->type == 'g' || e->type == 'L' || e->type == 'K';
  if (!special && x->has_size) e->size = x->size;
  if (has_no_data(e->type)) e->size = 0;
  t->at += BLOCK;
  e->data = t->bytes + t->at;

  size_t left = t->size - t->at, padding = -e->size % BLOCK;
  if (e->size > left) return cut(t);
  // The very last entry needs no padding.
  if (e->size < left && left - e->size < padding) return cut(t);
  t->at += e->size == left ? left : e->size + padding;
  return true;
}

static bool finish(struct tar_entry *e, const struct extra *x) {
  if (e->type == 'S') return fail("it has sparse files, which are not supported");
  if (x->has_name) strcpy(e->name, x->name);
  size_t size = strlen(e->name);
  if (e->type == 0) e->type = size > 0 && e->name[size - 1] == '/' ? '5' : '0';
  if (e->type == '7') e->type = '0';
  return true;
}

enum tar_result tar_next(struct tar *t, struct tar_entry *e) {
  struct extra x = {0};
  for (;;) {
    bool ended = t->at == t->size || (t->size - t->at >= BLOCK && is_zero(t->bytes + t->at));
    if (ended && !x.any) return TAR_END;
    if (ended) {
      cut(t);
      return TAR_FAILED;
    }
    if (!take_header(t, e, &x)) return TAR_FAILED;
    switch (e->type) {
      case 'g':
      case 'K':
        break;
      case 'x':
        x.any = true;
        if (!add_pax(&x, e->data, e->size)) return TAR_FAILED;
        break;
      case 'L':
        x.any = x.has_name = true;
        if (!set_name(x.name, e->data, field_size(e->data, e->size))) return TAR_FAILED;
        break;
      default:
        return finish(e, &x) ? TAR_ENTRY : TAR_FAILED;
    }
  }
}
