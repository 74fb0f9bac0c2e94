// What a template lists, and what there is: the same format for both.
#ifndef INVENTORY_H
#define INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

enum { MAX_RESOURCES = 1000, MAX_WORD = 64, MAX_COST = 1000000 };

struct resource {
  char type[MAX_WORD + 1];
  char name[MAX_WORD + 1];
  int32_t cost;
  int line;
};

struct inventory {
  int count;
  struct resource resources[MAX_RESOURCES];
};

// inventory_parse reads an inventory of size bytes. Errors name the file and the line.
bool inventory_parse(struct inventory *v, const char *file, const char *bytes, size_t size);

// inventory_find returns the resource with the type and name of r, or NULL.
const struct resource *inventory_find(const struct inventory *v, const struct resource *r);

// inventory_format writes an inventory. An empty one is no empty text, which would be no state at all.
struct text inventory_format(const struct inventory *v);

#endif
