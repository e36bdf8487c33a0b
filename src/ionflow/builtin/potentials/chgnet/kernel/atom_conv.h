/* Messages along all bonds, both ways, to their centres. */
#ifndef IONFLOW_ATOM_CONV_H
#define IONFLOW_ATOM_CONV_H

#include "gate.h"
#include "work.h"

#define TILE 24 /* bonds at a time: two rows each, small enough for the first cache */

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* the second atom of a bond jumps about in memory: ask for it a few bonds early */
INLINE void prefetch_atom(const graph_t *g, int64_t bond, const float *nodes)
{
    const float *ahead = nodes + g->second[least(bond + 4, g->bonds - 1)] * 4 * WIDTH;
    for (int v = 0; v < 4 * WIDTH; v += 16) __builtin_prefetch(ahead + v);
}

/* rows 2r and 2r + 1 of h: silu of the first layer of bond `start + r`, there and back */
static void first_layer(const work_t *w, int layer, int64_t start, int64_t count, float *h)
{
    const graph_t *g = w->graph;
    const float *table = w->model->atom_convs[layer].radial, *nodes = w->atom[layer].nodes;
    for (int64_t r = 0; r < count; r++, h += 4 * WIDTH) {
        int64_t b = start + r;
        const float *row = row_of(table, 2 * WIDTH, w->places[b]);
        const float *i = nodes + g->first[b] * 4 * WIDTH, *j = nodes + g->second[b] * 4 * WIDTH;
        const float *added = layer && b < g->shorts ? w->atom[layer].bond + b * 2 * WIDTH : 0;
        vf t = splat(w->places[b].t);
        prefetch_atom(g, b, nodes);
        for (int v = 0; v < 2 * WIDTH; v += LANES) {
            vf bond = value_at(row + v, 2 * WIDTH, t);
            if (added) bond += load(added + v);
            store(h + v, silu(load(i + v) + load(j + 2 * WIDTH + v) + bond));
            store(h + 2 * WIDTH + v, silu(load(j + v) + load(i + 2 * WIDTH + v) + bond));
        }
    }
}

static void node_rows(work_t *w, int layer)
{
    const graph_t *g = w->graph;
    const model_t *m = w->model;
    const atom_conv_t *conv = m->atom_convs + layer;
    float *nodes = w->atom[layer].nodes;
    const float *of_elements = g->pairs ? m->nodes_with_angles : m->nodes;
    if (layer)
        product(w->atoms, WIDTH, g->atoms, conv->nodes, WIDTH, 4 * WIDTH, nodes, 4 * WIDTH,
                g->pairs ? conv->bias_with_angles : conv->bias, SET);
    else
        for (int64_t i = 0; i < g->atoms; i++)
            memcpy(nodes + i * 4 * WIDTH, of_elements + g->species[i] * 4 * WIDTH,
                   sizeof(float) * 4 * WIDTH);
}

static void atom_conv_forward(work_t *w, int layer)
{
    const graph_t *g = w->graph;
    const atom_conv_t *conv = w->model->atom_convs + layer;
    atom_trace_t *trace = w->atom + layer;
    float h[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    float *sums = w->d_message; /* free on the way forward */
    node_rows(w, layer);
    if (layer)
        product(w->bonds, WIDTH, g->shorts, conv->bond, WIDTH, 2 * WIDTH, trace->bond, 2 * WIDTH,
                0, SET);
    memset(sums, 0, sizeof(float) * WIDTH * g->atoms);
    for (int64_t start = 0; start < g->bonds; start += TILE) {
        int64_t count = least(TILE, g->bonds - start);
        float *y = trace->y + start * 4 * WIDTH;
        first_layer(w, layer, start, count, h);
        float *inverse = trace->inverse + start * 4;
        hidden_layer(&conv->gated, h, 2 * count, y);
        inverse_norms(&conv->gated, y, 2 * count, inverse);
        for (int64_t r = 0; r < 2 * count; r++) {
            int64_t b = start + r / 2;
            float *sum = sums + (r % 2 ? g->second[b] : g->first[b]) * WIDTH;
            vf message[PARTS];
            gate_forward(&conv->gated, y + r * 2 * WIDTH, inverse + r * 2, message);
            for (int p = 0; p < PARTS; p++)
                add_to(sum + p * LANES, message[p] * load(w->weight + b * WIDTH + p * LANES));
        }
    }
    product(sums, WIDTH, g->atoms, conv->out, WIDTH, WIDTH, w->atoms, WIDTH, conv->out_bias, ADD);
}

/* gradients of the hidden layer's input, of the bond's weight */
static void messages_back(work_t *w, int layer, int64_t start, int64_t count, float *d)
{
    const graph_t *g = w->graph;
    const gated_t *gated = &w->model->atom_convs[layer].gated;
    const atom_trace_t *trace = w->atom + layer;
    for (int64_t r = 0; r < 2 * count; r++) {
        int64_t b = start + r / 2;
        const float *from = w->d_message + (r % 2 ? g->second[b] : g->first[b]) * WIDTH;
        vf gradient[PARTS], weight[PARTS], to_weight[PARTS];
        for (int p = 0; p < PARTS; p++) {
            gradient[p] = load(from + p * LANES);
            weight[p] = load(w->weight + b * WIDTH + p * LANES);
        }
        gate_backward(gated, trace->y + (start * 2 + r) * 2 * WIDTH,
                      trace->inverse + (start * 2 + r) * 2, gradient, weight, to_weight,
                      d + r * 2 * WIDTH);
        for (int p = 0; p < PARTS; p++)
            add_to(w->d_weight + b * WIDTH + p * LANES, to_weight[p]);
    }
}

/* through silu and the first layer, to atoms, short bonds and lengths */
static void first_layer_back(work_t *w, int layer, int64_t start, int64_t count, const float *d)
{
    const graph_t *g = w->graph;
    const float *table = w->model->atom_convs[layer].radial, *nodes = w->atom[layer].nodes;
    for (int64_t r = 0; r < count; r++, d += 4 * WIDTH) {
        int64_t b = start + r, at_i = g->first[b] * 4 * WIDTH, at_j = g->second[b] * 4 * WIDTH;
        const float *row = row_of(table, 2 * WIDTH, w->places[b]);
        const float *i = nodes + at_i, *j = nodes + at_j;
        float *d_i = w->d_nodes + at_i, *d_j = w->d_nodes + at_j;
        int near = layer && b < g->shorts;
        float *d_bond = near ? w->d_bond + b * 2 * WIDTH : 0;
        const float *added = near ? w->atom[layer].bond + b * 2 * WIDTH : 0;
        vf t = splat(w->places[b].t), along = splat(0);
        prefetch_atom(g, b, nodes);
        prefetch_atom(g, b, w->d_nodes);
        for (int v = 0; v < 2 * WIDTH; v += LANES) {
            vf slope, bond = both_at(row + v, 2 * WIDTH, t, &slope);
            if (near) bond += load(added + v);
            vf there = silu_slope(load(i + v) + load(j + 2 * WIDTH + v) + bond) * load(d + v);
            vf back = silu_slope(load(j + v) + load(i + 2 * WIDTH + v) + bond) *
                      load(d + 2 * WIDTH + v);
            along += (there + back) * slope;
            if (!layer) continue; /* the atoms' embedding is constant */
            add_to(d_i + v, there);
            add_to(d_j + 2 * WIDTH + v, there);
            add_to(d_j + v, back);
            add_to(d_i + 2 * WIDTH + v, back);
            if (near) store(d_bond + v, there + back);
        }
        w->d_length[b] += total(along);
    }
}

static void atom_conv_backward(work_t *w, int layer)
{
    const graph_t *g = w->graph;
    const atom_conv_t *conv = w->model->atom_convs + layer;
    float d[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    float back[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    product(w->d_atoms, WIDTH, g->atoms, conv->out_t, WIDTH, WIDTH, w->d_message, WIDTH, 0, SET);
    if (layer) memset(w->d_nodes, 0, sizeof(float) * 4 * WIDTH * g->atoms);
    for (int64_t start = 0; start < g->bonds; start += TILE) {
        int64_t count = least(TILE, g->bonds - start);
        messages_back(w, layer, start, count, d);
        hidden_layer_back(&conv->gated, d, 2 * count, back);
        first_layer_back(w, layer, start, count, back);
    }
    if (!layer) return;
    product(w->d_nodes, 4 * WIDTH, g->atoms, conv->nodes_t, 4 * WIDTH, WIDTH, w->d_atoms, WIDTH, 0,
            ADD);
    product(w->d_bond, 2 * WIDTH, g->shorts, conv->bond_t, 2 * WIDTH, WIDTH, w->d_bonds, WIDTH, 0,
            ADD);
}

#endif
