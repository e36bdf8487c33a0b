/* Everything an evaluation keeps, laid out in one block of memory. */
#ifndef IONFLOW_WORK_H
#define IONFLOW_WORK_H

#include "dense.h"

typedef struct {
    float *nodes;   /* atoms x 256 */
    float *bond;    /* shorts x 128 */
    float *y;       /* 2 bonds x 128 */
    float *inverse; /* 2 bonds x 2 */
} atom_trace_t;

typedef struct {
    float *bonds;   /* shorts x 256 */
    float *centre;  /* atoms x 128 */
    float *first;   /* 2 pairs x 128, before the hidden layer (the same as y where there is none) */
    float *y;       /* 2 pairs x 128 */
    float *inverse; /* 2 pairs x 2 */
} angle_trace_t;

typedef struct {
    const model_t *model;
    const graph_t *graph;
    double *lengths;                           /* bonds */
    double *cosines, *bends;                   /* pairs: cos, d angle / d cos */
    place_t *places, *short_places, *angle_places;
    int32_t *corners;                          /* pairs: the atom where the bonds meet */
    float *weight, *short_weight;              /* bonds x 64, shorts x 64 */
    float *atoms;                              /* atoms x 64 */
    float *bonds;                              /* shorts x 64, what BondConvs have added */
    float *turns[MOST_LAYERS];                 /* 2 pairs x 64, after each AngleUpdate */
    atom_trace_t atom[MOST_LAYERS];
    angle_trace_t bond_conv[MOST_LAYERS], update[MOST_LAYERS];
    float *normal, *hidden[MOST_READOUT];      /* atoms x 64 */
    /* gradients */
    float *d_atoms, *d_message, *d_nodes;      /* atoms x 64, 64, 256 */
    float *d_centre;                           /* atoms x 128 */
    float *d_bonds, *d_bond, *d_sides;         /* shorts x 64, 128, 256 */
    float *d_turns;                            /* 2 pairs x 64 */
    float *d_weight, *d_short_weight;          /* bonds x 64, shorts x 64 */
    double *d_length, *d_short, *d_angle;      /* along t of the three grids */
    double *d_vectors;                         /* bonds x 3 */
} work_t;

/* Hands out pieces of a block; without a block it only counts. */
typedef struct {
    char *block;
    int64_t used;
} arena_t;

INLINE void *take(arena_t *arena, int64_t count, int64_t size)
{
    void *piece = arena->block ? arena->block + arena->used : 0;
    arena->used += (count * size + 63) / 64 * 64;
    return piece;
}

#define FLOATS(count) ((float *)take(arena, (count), sizeof(float)))
#define DOUBLES(count) ((double *)take(arena, (count), sizeof(double)))

static void lay_angle_trace(arena_t *arena, const graph_t *g, angle_trace_t *trace, int hidden)
{
    trace->bonds = FLOATS(g->shorts * 256);
    trace->centre = FLOATS(g->atoms * 128);
    trace->y = FLOATS(g->pairs * 2 * 128);
    trace->first = hidden ? FLOATS(g->pairs * 2 * 128) : trace->y;
    trace->inverse = FLOATS(g->pairs * 4);
}

static void lay_geometry(arena_t *arena, const graph_t *g, work_t *w)
{
    w->lengths = DOUBLES(g->bonds);
    w->cosines = DOUBLES(g->pairs);
    w->bends = DOUBLES(g->pairs);
    w->places = take(arena, g->bonds, sizeof(place_t));
    w->short_places = take(arena, g->shorts, sizeof(place_t));
    w->angle_places = take(arena, g->pairs, sizeof(place_t));
    w->corners = take(arena, g->pairs, sizeof(int32_t));
    w->d_length = DOUBLES(g->bonds);
    w->d_short = DOUBLES(g->shorts);
    w->d_angle = DOUBLES(g->pairs);
    w->d_vectors = DOUBLES(g->bonds * 3);
}

static void lay_gradients(arena_t *arena, const graph_t *g, work_t *w)
{
    w->d_atoms = FLOATS(g->atoms * 64);
    w->d_message = FLOATS((g->atoms > g->shorts ? g->atoms : g->shorts) * 64);
    w->d_nodes = FLOATS(g->atoms * 256);
    w->d_centre = FLOATS(g->atoms * 128);
    w->d_bonds = FLOATS(g->shorts * 64);
    w->d_bond = FLOATS(g->shorts * 128);
    w->d_sides = FLOATS(g->shorts * 256);
    w->d_turns = FLOATS(g->pairs * 2 * 64);
    w->d_weight = FLOATS(g->bonds * 64);
    w->d_short_weight = FLOATS(g->shorts * 64);
}

static void lay_out(arena_t *arena, const model_t *m, const graph_t *g, work_t *w)
{
    w->model = m;
    w->graph = g;
    lay_geometry(arena, g, w);
    w->weight = FLOATS(g->bonds * 64);
    w->short_weight = FLOATS(g->shorts * 64);
    w->atoms = FLOATS(g->atoms * 64);
    w->bonds = FLOATS(g->shorts * 64);
    for (int64_t l = 0; l < m->layers; l++) {
        w->atom[l].nodes = FLOATS(g->atoms * 256);
        w->atom[l].bond = FLOATS(g->shorts * 128);
        w->atom[l].y = FLOATS(g->bonds * 2 * 128);
        w->atom[l].inverse = FLOATS(g->bonds * 4);
    }
    for (int64_t l = 0; l < m->layers - 1; l++) lay_angle_trace(arena, g, w->bond_conv + l, 1);
    for (int64_t l = 0; l < m->layers - 2; l++) {
        lay_angle_trace(arena, g, w->update + l, 0);
        w->turns[l] = FLOATS(g->pairs * 2 * 64);
    }
    w->normal = FLOATS(g->atoms * 64);
    for (int64_t k = 0; k < m->readouts; k++) w->hidden[k] = FLOATS(g->atoms * 64);
    lay_gradients(arena, g, w);
}

#endif
