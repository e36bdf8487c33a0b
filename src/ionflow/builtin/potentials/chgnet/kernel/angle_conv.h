/* Messages along all angles: BondConv adds them to bonds, AngleUpdate to the angles themselves. */
#ifndef IONFLOW_ANGLE_CONV_H
#define IONFLOW_ANGLE_CONV_H

#include "atom_conv.h"

/* rows 2r and 2r + 1 of trace->first: the first layer of pair `start + r`, in both orders */
static void angle_first_layer(work_t *w, const angle_conv_t *conv, angle_trace_t *trace,
                              const float *turns, int64_t start, int64_t count)
{
    const graph_t *g = w->graph;
    float *first = trace->first + start * 4 * WIDTH;
    if (turns)
        product(turns + start * 2 * WIDTH, WIDTH, 2 * count, conv->angle, WIDTH, 2 * WIDTH, first,
                2 * WIDTH, 0, SET);
    for (int64_t r = 0; r < count; r++, first += 4 * WIDTH) {
        int64_t a = start + r;
        const float *p = trace->bonds + (g->left[a] / 2) * 4 * WIDTH;
        const float *q = trace->bonds + (g->right[a] / 2) * 4 * WIDTH;
        const float *centre = trace->centre + w->corners[a] * 2 * WIDTH;
        const float *row = row_of(conv->angular, 2 * WIDTH, w->angle_places[a]);
        vf t = splat(w->angle_places[a].t);
        for (int v = 0; v < 2 * WIDTH; v += LANES) {
            vf same = value_at(row + v, 2 * WIDTH, t) + load(centre + v);
            vf one = same + load(p + v) + load(q + 2 * WIDTH + v);
            vf two = same + load(q + v) + load(p + 2 * WIDTH + v);
            if (turns) {
                one += load(first + v);
                two += load(first + 2 * WIDTH + v);
            }
            store(first + v, one);
            store(first + 2 * WIDTH + v, two);
        }
    }
}

INLINE vf pair_weight(const work_t *w, int64_t p, int64_t q, int v)
{
    return load(w->short_weight + p * WIDTH + v) * load(w->short_weight + q * WIDTH + v);
}

static void angle_conv_forward(work_t *w, const angle_conv_t *conv, angle_trace_t *trace,
                               const float *turns, float *turned)
{
    const graph_t *g = w->graph;
    const gated_t *gated = &conv->gated;
    float h[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    float *sums = w->d_message; /* free on the way forward */
    tabulate(conv->radial, 4 * WIDTH, w->short_places, g->shorts, trace->bonds);
    product(w->bonds, WIDTH, g->shorts, conv->bonds, WIDTH, 4 * WIDTH, trace->bonds, 4 * WIDTH, 0,
            ADD);
    product(w->atoms, WIDTH, g->atoms, conv->centre, WIDTH, 2 * WIDTH, trace->centre, 2 * WIDTH, 0,
            SET);
    if (conv->out) memset(sums, 0, sizeof(float) * WIDTH * g->shorts);
    for (int64_t start = 0; start < g->pairs; start += TILE) {
        int64_t count = least(TILE, g->pairs - start);
        angle_first_layer(w, conv, trace, turns, start, count);
        if (gated->core) {
            const float *first = trace->first + start * 4 * WIDTH;
            for (int64_t v = 0; v < count * 4 * WIDTH; v += LANES)
                store(h + v, silu(load(first + v)));
            hidden_layer(gated, h, 2 * count, trace->y + start * 4 * WIDTH);
        }
        inverse_norms(gated, trace->y + start * 4 * WIDTH, 2 * count, trace->inverse + start * 4);
        for (int64_t row = 2 * start; row < 2 * (start + count); row++) {
            int64_t p = g->left[row / 2] / 2, q = g->right[row / 2] / 2;
            vf message[PARTS];
            gate_forward(gated, trace->y + row * 2 * WIDTH, trace->inverse + row * 2, message);
            for (int part = 0; part < PARTS; part++) {
                int v = part * LANES;
                if (conv->out)
                    add_to(sums + (row % 2 ? q : p) * WIDTH + v,
                           message[part] * pair_weight(w, p, q, v));
                else
                    store(turned + row * WIDTH + v,
                          turns ? message[part] + load(turns + row * WIDTH + v) : message[part]);
            }
        }
    }
    if (conv->out)
        product(sums, WIDTH, g->shorts, conv->out, WIDTH, WIDTH, w->bonds, WIDTH, 0, ADD);
}

/* the gradient of y of each row, and that of the weights */
static void angle_messages_back(work_t *w, const angle_conv_t *conv, const angle_trace_t *trace,
                                int64_t start, int64_t count, float *d)
{
    const graph_t *g = w->graph;
    for (int64_t row = 2 * start; row < 2 * (start + count); row++, d += 2 * WIDTH) {
        int64_t p = g->left[row / 2] / 2, q = g->right[row / 2] / 2;
        const float *from = conv->out ? w->d_message + (row % 2 ? q : p) * WIDTH
                                      : w->d_turns + row * WIDTH;
        vf gradient[PARTS], weight[PARTS], to_weight[PARTS];
        for (int part = 0; part < PARTS; part++) {
            gradient[part] = load(from + part * LANES);
            weight[part] = conv->out ? pair_weight(w, p, q, part * LANES) : splat(1);
        }
        gate_backward(&conv->gated, trace->y + row * 2 * WIDTH, trace->inverse + row * 2, gradient,
                      weight, to_weight, d);
        if (!conv->out) continue;
        for (int part = 0; part < PARTS; part++) {
            int v = part * LANES;
            add_to(w->d_short_weight + p * WIDTH + v,
                   to_weight[part] * load(w->short_weight + q * WIDTH + v));
            add_to(w->d_short_weight + q * WIDTH + v,
                   to_weight[part] * load(w->short_weight + p * WIDTH + v));
        }
    }
}

/* to bonds, centres and angles; d: gradient of the first layer's output */
static void angle_first_layer_back(work_t *w, const angle_conv_t *conv, int64_t start,
                                   int64_t count, const float *d)
{
    const graph_t *g = w->graph;
    for (int64_t r = 0; r < count; r++, d += 4 * WIDTH) {
        int64_t a = start + r;
        float *p = w->d_sides + (g->left[a] / 2) * 4 * WIDTH;
        float *q = w->d_sides + (g->right[a] / 2) * 4 * WIDTH;
        float *centre = w->d_centre + w->corners[a] * 2 * WIDTH;
        const float *row = row_of(conv->angular, 2 * WIDTH, w->angle_places[a]);
        vf t = splat(w->angle_places[a].t), along = splat(0);
        for (int v = 0; v < 2 * WIDTH; v += LANES) {
            vf one = load(d + v), two = load(d + 2 * WIDTH + v);
            add_to(p + v, one);
            add_to(q + 2 * WIDTH + v, one);
            add_to(q + v, two);
            add_to(p + 2 * WIDTH + v, two);
            add_to(centre + v, one + two);
            along += (one + two) * slope_at(row + v, 2 * WIDTH, t);
        }
        w->d_angle[a] += total(along);
    }
}

static void angle_conv_backward(work_t *w, const angle_conv_t *conv, const angle_trace_t *trace,
                                const float *turns)
{
    const graph_t *g = w->graph;
    float d[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    float back[TILE * 4 * WIDTH] __attribute__((aligned(64)));
    if (conv->out)
        product(w->d_bonds, WIDTH, g->shorts, conv->out_t, WIDTH, WIDTH, w->d_message, WIDTH, 0,
                SET);
    memset(w->d_sides, 0, sizeof(float) * 4 * WIDTH * g->shorts);
    memset(w->d_centre, 0, sizeof(float) * 2 * WIDTH * g->atoms);
    for (int64_t start = 0; start < g->pairs; start += TILE) {
        int64_t count = least(TILE, g->pairs - start);
        const float *first = trace->first + start * 4 * WIDTH;
        float *gradient = d;
        angle_messages_back(w, conv, trace, start, count, d);
        if (conv->gated.core) {
            gradient = back;
            hidden_layer_back(&conv->gated, d, 2 * count, back);
            for (int64_t v = 0; v < count * 4 * WIDTH; v += LANES)
                store(back + v, load(back + v) * silu_slope(load(first + v)));
        }
        angle_first_layer_back(w, conv, start, count, gradient);
        if (turns)
            product(gradient, 2 * WIDTH, 2 * count, conv->angle_t, 2 * WIDTH, WIDTH,
                    w->d_turns + start * 2 * WIDTH, WIDTH, 0, ADD);
    }
    tabulate_back(conv->radial, 4 * WIDTH, w->short_places, g->shorts, w->d_sides, w->d_short);
    product(w->d_sides, 4 * WIDTH, g->shorts, conv->bonds_t, 4 * WIDTH, WIDTH, w->d_bonds, WIDTH,
            0, ADD);
    product(w->d_centre, 2 * WIDTH, g->atoms, conv->centre_t, 2 * WIDTH, WIDTH, w->d_atoms, WIDTH,
            0, ADD);
}

#endif
