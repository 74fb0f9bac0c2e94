#include "inventory.h"

#include <string.h>

// The compiler's isalpha and its kin would take what a locale says.
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

struct word {
  const char *bytes;
  size_t size;
};

enum { MAX_WORDS = 3 };

// split returns how many words the line has; it writes the first MAX_WORDS of them.
static int split(const char *line, size_t size, struct word *words) {
  int n = 0;
  for (size_t i = 0; i < size;) {
    if (is_space(line[i])) {
      i++;
      continue;
    }
    size_t start = i;
    while (i < size && !is_space(line[i])) i++;
    if (n < MAX_WORDS) words[n] = (struct word){line + start, i - start};
    n++;
  }
  return n;
}

static bool copy_word(char *to, struct word w) {
  if (w.size > MAX_WORD || !is_letter(w.bytes[0])) return false;
  for (size_t i = 0; i < w.size; i++) {
    char c = w.bytes[i];
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_') return false;
  }
  memcpy(to, w.bytes, w.size);
  to[w.size] = 0;
  return true;
}

static bool parse_cost(int32_t *cost, struct word w) {
  if (w.size > 7) return false;
  *cost = 0;
  for (size_t i = 0; i < w.size; i++) {
    if (!is_digit(w.bytes[i])) return false;
    *cost = *cost * 10 + (w.bytes[i] - '0');
  }
  return *cost <= MAX_COST;
}

static bool parse_resource(struct resource *r, const char *file, const struct word *words, int n) {
  static const char rule[] = "must be a letter, then letters, digits, \"-\" and \"_\", 64 at most";
  if (n < 2 || n > MAX_WORDS) return fail("%s:%d: want TYPE NAME [DAILY_COST]", file, r->line);
  if (!copy_word(r->type, words[0])) return fail("%s:%d: TYPE %s", file, r->line, rule);
  if (!copy_word(r->name, words[1])) return fail("%s:%d: NAME %s", file, r->line, rule);
  if (n == MAX_WORDS && !parse_cost(&r->cost, words[2]))
    return fail("%s:%d: DAILY_COST must be a whole number from 0 to %d", file, r->line, MAX_COST);
  return true;
}

static bool add(struct inventory *v, const char *file, const struct resource *r) {
  const struct resource *first = inventory_find(v, r);
  if (first) return fail("%s:%d: %s.%s stands in line %d already", file, r->line, r->type, r->name, first->line);
  if (v->count == MAX_RESOURCES) return fail("%s:%d: more than %d resources", file, r->line, MAX_RESOURCES);
  v->resources[v->count++] = *r;
  return true;
}

bool inventory_parse(struct inventory *v, const char *file, const char *bytes, size_t size) {
  v->count = 0;
  int number = 0;
  for (size_t at = 0; at < size;) {
    const char *line = bytes + at;
    const char *newline = memchr(line, '\n', size - at);
    size_t length = newline ? (size_t)(newline - line) : size - at;
    at += length + (newline != NULL);

    const char *comment = memchr(line, '#', length);
    struct word words[MAX_WORDS];
    int n = split(line, comment ? (size_t)(comment - line) : length, words);
    struct resource r = {.line = ++number};
    if (n > 0 && (!parse_resource(&r, file, words, n) || !add(v, file, &r))) return false;
  }
  return true;
}

const struct resource *inventory_find(const struct inventory *v, const struct resource *r) {
  for (int i = 0; i < v->count; i++) {
    const struct resource *have = &v->resources[i];
    if (!strcmp(have->type, r->type) && !strcmp(have->name, r->name)) return have;
  }
  return NULL;
}

struct text inventory_format(const struct inventory *v) {
  struct text t = {0};
  text_add(&t, "# what there is: TYPE NAME DAILY_COST\n");
  for (int i = 0; i < v->count; i++) {
    const struct resource *r = &v->resources[i];
    text_add(&t, "%s %s %d\n", r->type, r->name, (int)r->cost);
  }
  return t;
}
