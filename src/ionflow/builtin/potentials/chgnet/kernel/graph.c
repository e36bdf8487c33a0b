/* A neighbour list filtered and its angles found, in the order of topology.py, without temporaries. */
#include <string.h>

#include "chgnet.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct {
    int64_t bonds;
    const int64_t *first, *second;
    const double *shifts;    /* bonds x 3, whole cells */
    const double *positions; /* atoms x 3 */
    const double *cell;      /* 3x3, rows are vectors */
} list_t;

static double span_of(const list_t *list, int64_t b, double *v)
{
    const double *s = list->shifts + 3 * b, *c = list->cell;
    const double *from = list->positions + 3 * list->first[b];
    const double *to = list->positions + 3 * list->second[b];
    for (int k = 0; k < 3; k++)
        v[k] = (to[k] - from[k]) + (s[0] * c[k] + s[1] * c[3 + k] + s[2] * c[6 + k]);
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
}

/* appends the bonds with low <= r^2 < high to those already kept; returns their new number */
static int64_t keep(const list_t *list, double low, double high, int32_t *first, int32_t *second,
                    double *vectors, int64_t kept)
{
    for (int64_t b = 0; b < list->bonds; b++) {
        double v[3], square = span_of(list, b, v);
        if (square < low || square >= high) continue;
        first[kept] = (int32_t)list->first[b];
        second[kept] = (int32_t)list->second[b];
        memcpy(vectors + 3 * kept++, v, sizeof v);
    }
    return kept;
}

/* Writes the bonds within the cutoff, short ones first, and both numbers to sizes. */
EXPORT void chgnet_filter(const list_t *list, double cutoff, double short_cutoff, int32_t *first,
                          int32_t *second, double *vectors, int64_t *sizes)
{
    double near = short_cutoff * short_cutoff, far = cutoff * cutoff;
    sizes[0] = keep(list, 0, near, first, second, vectors, 0);
    sizes[1] = keep(list, near, far, first, second, vectors, sizes[0]);
}

/* Sorts the directed short bonds by centre (starts: atoms + 1, order: 2 shorts); returns the number
 * of pairs with a common centre. */
EXPORT int64_t chgnet_group(int64_t atoms, int64_t shorts, const int32_t *first,
                            const int32_t *second, int32_t *starts, int32_t *order)
{
    memset(starts, 0, sizeof(int32_t) * (atoms + 1));
    for (int64_t b = 0; b < shorts; b++) {
        starts[first[b] + 1]++;
        starts[second[b] + 1]++;
    }
    int64_t pairs = 0;
    for (int64_t i = 0; i < atoms; i++) {
        pairs += (int64_t)starts[i + 1] * (starts[i + 1] - 1) / 2;
        starts[i + 1] += starts[i];
    }
    for (int64_t b = 0; b < shorts; b++) { /* starts[i] runs to the end of its group ... */
        order[starts[first[b]]++] = (int32_t)(2 * b);
        order[starts[second[b]]++] = (int32_t)(2 * b + 1);
    }
    for (int64_t i = atoms; i > 0; i--) starts[i] = starts[i - 1]; /* ... and back */
    starts[0] = 0;
    return pairs;
}

EXPORT void chgnet_pairs(int64_t atoms, const int32_t *starts, const int32_t *order, int32_t *left,
                         int32_t *right)
{
    for (int64_t i = 0; i < atoms; i++)
        for (int32_t p = starts[i]; p < starts[i + 1]; p++)
            for (int32_t q = p + 1; q < starts[i + 1]; q++) {
                *left++ = order[p];
                *right++ = order[q];
            }
}

/* Whether every atom has a bond; seen: atoms. */
EXPORT int64_t chgnet_connected(int64_t atoms, int64_t bonds, const int32_t *first,
                                const int32_t *second, char *seen)
{
    int64_t found = 0;
    memset(seen, 0, atoms);
    for (int64_t b = 0; b < bonds; b++) {
        found += !seen[first[b]];
        seen[first[b]] = 1;
        found += !seen[second[b]];
        seen[second[b]] = 1;
    }
    return found == atoms;
}
