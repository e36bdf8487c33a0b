/* Energy, forces and virial of one system: forward, then backward by hand. Compiled once for each
 * instruction set; INSTRUCTIONS is the name's ending. No allocation, no threads, no global state. */
#include <math.h>

#include "angle_conv.h"
#include "readout.h"

#define PASTE(a, b) a##_##b
#define NAMED(a, b) PASTE(a, b)
#define EXPORT __attribute__((visibility("default")))

static const double SHRINK = 1.0 - 1e-6; /* of a cosine, as chgnet does */

static void measure_bonds(work_t *w)
{
    const graph_t *g = w->graph;
    const model_t *m = w->model;
    for (int64_t b = 0; b < g->bonds; b++) {
        const double *v = g->vectors + 3 * b;
        double length = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        w->lengths[b] = length;
        w->places[b] = place_of(length, m->grids[0], m->intervals[0]);
        if (b < g->shorts) w->short_places[b] = place_of(length, m->grids[1], m->intervals[1]);
    }
}

INLINE double sign_of(const graph_t *g, int64_t a) { return (g->left[a] ^ g->right[a]) & 1 ? -1 : 1; }

static void measure_angles(work_t *w)
{
    const graph_t *g = w->graph;
    const model_t *m = w->model;
    for (int64_t a = 0; a < g->pairs; a++) {
        int64_t p = g->left[a] / 2, q = g->right[a] / 2;
        const double *u = g->vectors + 3 * p, *v = g->vectors + 3 * q;
        double cosine = sign_of(g, a) * (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]) /
                        (w->lengths[p] * w->lengths[q]);
        double shrunk = cosine * SHRINK;
        w->cosines[a] = cosine;
        w->bends[a] = -SHRINK / sqrt(1.0 - shrunk * shrunk);
        w->angle_places[a] = place_of(acos(shrunk), m->grids[2], m->intervals[2]);
        w->corners[a] = g->left[a] & 1 ? g->second[p] : g->first[p];
    }
}

static void embed(work_t *w)
{
    const graph_t *g = w->graph;
    const model_t *m = w->model;
    measure_bonds(w);
    measure_angles(w);
    tabulate(m->weight, WIDTH, w->places, g->bonds, w->weight);
    tabulate(m->short_weight, WIDTH, w->short_places, g->shorts, w->short_weight);
    for (int64_t i = 0; i < g->atoms; i++)
        memcpy(w->atoms + i * WIDTH, m->atoms + g->species[i] * WIDTH, sizeof(float) * WIDTH);
    memset(w->bonds, 0, sizeof(float) * WIDTH * g->shorts);
}

INLINE const float *turns_before(const work_t *w, int64_t layer)
{
    return layer ? w->turns[layer - 1] : 0;
}

static void forward(work_t *w, double *energies)
{
    const model_t *m = w->model;
    embed(w);
    for (int64_t l = 0; l < m->layers; l++) {
        atom_conv_forward(w, (int)l);
        if (l + 1 < m->layers && w->graph->pairs)
            angle_conv_forward(w, m->bond_convs + l, w->bond_conv + l, turns_before(w, l), 0);
        if (l + 2 < m->layers && w->graph->pairs)
            angle_conv_forward(w, m->angle_updates + l, w->update + l, turns_before(w, l),
                               w->turns[l]);
    }
    readout_forward(w, energies);
}

static void clear_gradients(work_t *w)
{
    const graph_t *g = w->graph;
    memset(w->d_bonds, 0, sizeof(float) * WIDTH * g->shorts);
    memset(w->d_turns, 0, sizeof(float) * WIDTH * 2 * g->pairs);
    memset(w->d_weight, 0, sizeof(float) * WIDTH * g->bonds);
    memset(w->d_short_weight, 0, sizeof(float) * WIDTH * g->shorts);
    memset(w->d_length, 0, sizeof(double) * g->bonds);
    memset(w->d_short, 0, sizeof(double) * g->shorts);
    memset(w->d_angle, 0, sizeof(double) * g->pairs);
}

static void backward(work_t *w)
{
    const model_t *m = w->model;
    const graph_t *g = w->graph;
    clear_gradients(w);
    readout_backward(w);
    for (int64_t l = m->layers - 1; l >= 0; l--) {
        if (l + 2 < m->layers && g->pairs)
            angle_conv_backward(w, m->angle_updates + l, w->update + l, turns_before(w, l));
        if (l + 1 < m->layers && g->pairs)
            angle_conv_backward(w, m->bond_convs + l, w->bond_conv + l, turns_before(w, l));
        atom_conv_backward(w, (int)l);
    }
    tabulate_back(m->weight, WIDTH, w->places, g->bonds, w->d_weight, w->d_length);
    tabulate_back(m->short_weight, WIDTH, w->short_places, g->shorts, w->d_short_weight,
                  w->d_short);
}

/* d energy / d vector of every bond, from d energy / dt of the three grids */
static void gather_vectors(work_t *w)
{
    const graph_t *g = w->graph;
    const double *grid = w->model->grids;
    for (int64_t b = 0; b < g->bonds; b++) {
        double along = 2.0 * grid[0] * w->d_length[b];
        if (b < g->shorts) along += 2.0 * grid[1] * w->d_short[b];
        for (int k = 0; k < 3; k++)
            w->d_vectors[3 * b + k] = along * g->vectors[3 * b + k] / w->lengths[b];
    }
    for (int64_t a = 0; a < g->pairs; a++) {
        int64_t p = g->left[a] / 2, q = g->right[a] / 2;
        const double *u = g->vectors + 3 * p, *v = g->vectors + 3 * q;
        double d = 2.0 * grid[2] * w->d_angle[a] * w->bends[a], c = w->cosines[a];
        double lp = w->lengths[p], lq = w->lengths[q], cross = sign_of(g, a) / (lp * lq);
        for (int k = 0; k < 3; k++) {
            w->d_vectors[3 * p + k] += d * (cross * v[k] - c * u[k] / (lp * lp));
            w->d_vectors[3 * q + k] += d * (cross * u[k] - c * v[k] / (lq * lq));
        }
    }
}

static void gather_forces(const work_t *w, const result_t *out)
{
    const graph_t *g = w->graph;
    memset(out->forces, 0, sizeof(double) * 3 * g->atoms);
    memset(out->virial, 0, sizeof(double) * 9);
    for (int64_t b = 0; b < g->bonds; b++) {
        const double *d = w->d_vectors + 3 * b, *v = g->vectors + 3 * b;
        double *i = out->forces + 3 * g->first[b], *j = out->forces + 3 * g->second[b];
        for (int k = 0; k < 3; k++) {
            i[k] += d[k];
            j[k] -= d[k];
            for (int n = 0; n < 3; n++) out->virial[3 * k + n] += d[k] * v[n];
        }
    }
}

/* bytes that chgnet_evaluate needs for a system of this size */
EXPORT int64_t NAMED(chgnet_workspace, INSTRUCTIONS)(const model_t *model, const graph_t *graph)
{
    arena_t arena = {0, 0};
    work_t work;
    lay_out(&arena, model, graph, &work);
    return arena.used;
}

/* block: aligned to 64 bytes, as large as chgnet_workspace says */
EXPORT void NAMED(chgnet_evaluate, INSTRUCTIONS)(const model_t *model, const graph_t *graph,
                                                 void *block, const result_t *out)
{
    arena_t arena = {block, 0};
    work_t work;
    lay_out(&arena, model, graph, &work);
    forward(&work, out->energies);
    backward(&work);
    gather_vectors(&work);
    gather_forces(&work, out);
}
