// A command that does what C programs do, and prints checksums. The tests of instrument compare what it prints before and after.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 1;
static uint32_t next(void) { return seed = seed * 1664525u + 1013904223u; }

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static uint64_t fnv(const void *data, size_t n) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < n; i++) h = (h ^ ((const uint8_t *)data)[i]) * 1099511628211u;
  return h;
}

static int ackermann(int m, int n) {
  return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static double matrix(int n) {
  double *a = malloc(sizeof(double) * n * n), *b = malloc(sizeof(double) * n * n), sum = 0;
  for (int i = 0; i < n * n; i++) a[i] = sqrt(i), b[i] = sin(i);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      for (int k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
  free(a), free(b);
  return sum;
}

// A switch that becomes a br_table, in a loop.
static uint64_t interpret(const uint8_t *code, size_t n) {
  uint64_t acc = 1, steps = 0;
  for (size_t pc = 0; pc < n && steps < 100000; steps++) {
    switch (code[pc] % 12) {
    case 0: acc += pc; pc++; break;
    case 1: acc *= 31; pc++; break;
    case 2: acc ^= acc >> 7; pc += 2; break;
    case 3: acc = acc / 3 + 1; pc++; break;
    case 4: pc = steps % 5 ? pc / 2 : pc + 1; break;
    case 5: acc = acc % 1000003; pc++; break;
    case 6: if (acc & 1) pc++; else pc += 3; break;
    case 7: acc -= code[(pc * 7) % n]; pc++; break;
    case 8: acc <<= 1; pc++; break;
    case 9: acc |= steps; pc++; break;
    default: pc++;
    }
  }
  return acc ^ steps;
}

typedef uint64_t (*op)(uint64_t);
static uint64_t twice(uint64_t x) { return x * 2; }
static uint64_t inverse(uint64_t x) { return ~x; }
static uint64_t swap(uint64_t x) { return __builtin_bswap64(x); }

int main(void) {
  static uint32_t numbers[50000];
  for (int i = 0; i < 50000; i++) numbers[i] = next();
  qsort(numbers, 50000, sizeof numbers[0], compare);
  printf("sorted %016llx\n", (unsigned long long)fnv(numbers, sizeof numbers));

  char *text = calloc(1, 1 << 20);
  for (int i = 0; i < 20000; i++) sprintf(text + strlen(text) % 4000, "%d:%x;", i, next());
  memmove(text + 100, text, 4000);
  memset(text + 50000, 'x', 500000);
  printf("text %016llx\n", (unsigned long long)fnv(text, 1 << 20));

  printf("ackermann %d\n", ackermann(2, 300));
  printf("matrix %.17g\n", matrix(60));
  printf("interpreted %016llx\n", (unsigned long long)interpret((const uint8_t *)numbers, sizeof numbers));

  op ops[] = {twice, inverse, swap};
  uint64_t x = 7;
  for (int i = 0; i < 100000; i++) x = ops[next() % 3](x) + i;
  printf("called %016llx\n", (unsigned long long)x);
  return 0;
}
