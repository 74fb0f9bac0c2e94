// The template's files, and what is kept for later requests.
#ifndef FILES_H
#define FILES_H

#include "inventory.h"
#include "text.h"

// What is kept is in the scratch directory, where no template puts anything: memory need not last.
#define PLANNED_FILE "/tmp/planned"
#define STATE_FILE "/tmp/state"

enum read_result { READ_OK, READ_MISSING, READ_FAILED };

// read_template_file reads a file of the template, of 1 MiB at most.
enum read_result read_template_file(const char *name, struct text *content);

// read_inventory reads the template's inventory.
bool read_inventory(struct inventory *v);

// keep writes an inventory to a file for the requests that follow; kept reads it. Without a file it is empty.
bool keep(const char *file, const struct inventory *v);
bool kept(const char *file, struct inventory *v);

// forget removes the file, if there is one.
bool forget(const char *file);

// write_file writes a file, in place of what it held if it is there already. The error does not name it.
bool write_file(const char *file, const void *bytes, size_t size);

#endif
