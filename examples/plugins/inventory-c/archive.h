// The template's archive.
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// archive_extract extracts an uncompressed tar archive to the work directory: regular files and directories; the rest is left
// out with a warning. It checks all of it before it writes anything.
bool archive_extract(const uint8_t *bytes, size_t size);

#endif
