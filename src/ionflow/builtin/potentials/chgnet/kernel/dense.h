/* Matrix products with narrow, fixed widths, and polynomial tables. */
#ifndef IONFLOW_DENSE_H
#define IONFLOW_DENSE_H

#include "chgnet.h"
#include "lanes.h"

#define ROWS 6 /* rows of a matrix product held in registers at once */

typedef enum { SET, ADD } mode_t_;

INLINE void product_block(const int rows, const float *a, int64_t lda, const float *w, int64_t ldw,
                          int inner, float *c, int64_t ldc, const float *bias, int add)
{
    vf sum[ROWS][COLUMNS];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < COLUMNS; v++) sum[r][v] = splat(0);
    for (int k = 0; k < inner; k++) {
        vf b[COLUMNS];
        for (int v = 0; v < COLUMNS; v++) b[v] = load(w + k * ldw + v * LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vf x = splat(a[r * lda + k]);
            for (int v = 0; v < COLUMNS; v++) sum[r][v] += x * b[v];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < COLUMNS; v++) {
            float *target = c + r * ldc + v * LANES;
            if (bias) sum[r][v] += load(bias + v * LANES);
            if (add) sum[r][v] += load(target); /* last: the sum is rounded as finely as it can be */
            store(target, sum[r][v]);
        }
}

/* c (rows x columns) = [c +] bias + a (rows x inner) w (inner x columns); columns divide by 64.
 * The order of summation of a row does not depend on where it stands, so neither do its bits. */
static void product(const float *a, int64_t lda, int64_t rows, const float *w, int inner,
                    int columns, float *c, int64_t ldc, const float *bias, mode_t_ mode)
{
    for (int j = 0; j < columns; j += COLUMNS * LANES) {
        const float *start = bias ? bias + j : 0;
        int64_t r = 0;
        for (; r + ROWS <= rows; r += ROWS)
            product_block(ROWS, a + r * lda, lda, w + j, columns, inner, c + r * ldc + j, ldc,
                          start, mode == ADD);
        for (; r < rows; r++)
            product_block(1, a + r * lda, lda, w + j, columns, inner, c + r * ldc + j, ldc, start,
                          mode == ADD);
    }
}

/* A place on a grid: interval and t = -1..1 within it. */
typedef struct {
    int32_t interval;
    float t;
} place_t;

INLINE place_t place_of(double x, double grid, int64_t intervals)
{
    double scaled = x * grid;
    int64_t interval = (int64_t)scaled;
    if (interval > intervals - 1) interval = intervals - 1;
    return (place_t){(int32_t)interval, (float)(2.0 * (scaled - (double)interval) - 1.0)};
}

INLINE const float *row_of(const float *table, int columns, place_t place)
{
    return table + (int64_t)place.interval * TERMS * columns;
}

INLINE vf value_at(const float *row, int columns, vf t)
{
    vf value = load(row + (TERMS - 1) * columns);
#pragma GCC unroll 8
    for (int k = TERMS - 2; k >= 0; k--) value = value * t + load(row + k * columns);
    return value;
}

INLINE vf slope_at(const float *row, int columns, vf t)
{
    vf slope = load(row + (TERMS - 1) * columns) * (float)(TERMS - 1);
#pragma GCC unroll 8
    for (int k = TERMS - 2; k >= 1; k--) slope = slope * t + load(row + k * columns) * (float)k;
    return slope;
}

/* value and slope from one reading of the table */
INLINE vf both_at(const float *row, int columns, vf t, vf *slope)
{
    vf value = load(row + (TERMS - 1) * columns), rise = splat(0);
#pragma GCC unroll 8
    for (int k = TERMS - 2; k >= 0; k--) {
        rise = rise * t + value;
        value = value * t + load(row + k * columns);
    }
    *slope = rise;
    return value;
}

static void tabulate(const float *table, int columns, const place_t *places, int64_t count,
                     float *out)
{
    for (int64_t b = 0; b < count; b++) {
        const float *row = row_of(table, columns, places[b]);
        vf t = splat(places[b].t);
        for (int v = 0; v < columns; v += LANES)
            store(out + b * columns + v, value_at(row + v, columns, t));
    }
}

/* slopes[b] += gradient[b] . d table / dt */
static void tabulate_back(const float *table, int columns, const place_t *places, int64_t count,
                          const float *gradient, double *slopes)
{
    for (int64_t b = 0; b < count; b++) {
        const float *row = row_of(table, columns, places[b]);
        vf t = splat(places[b].t), sum = splat(0);
        for (int v = 0; v < columns; v += LANES)
            sum += load(gradient + b * columns + v) * slope_at(row + v, columns, t);
        slopes[b] += total(sum);
    }
}

#endif
