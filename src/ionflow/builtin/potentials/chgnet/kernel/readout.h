/* From the atoms' features to their energies, and back. */
#ifndef IONFLOW_READOUT_H
#define IONFLOW_READOUT_H

#include "gate.h"
#include "work.h"

INLINE float mean_of(const float *x)
{
    vf sum = splat(0);
    for (int v = 0; v < WIDTH; v += LANES) sum += load(x + v);
    return total(sum) * (1.f / WIDTH);
}

INLINE float dot(const float *a, const float *b)
{
    vf sum = splat(0);
    for (int v = 0; v < WIDTH; v += LANES) sum += load(a + v) * load(b + v);
    return total(sum);
}

/* in double: the sum is an atom's energy, of which float32 would keep six digits */
INLINE double dot_exactly(const float *a, const float *b)
{
    double sum = 0;
    for (int v = 0; v < WIDTH; v++) sum += (double)a[v] * b[v];
    return sum;
}

/* x becomes (x - mean) / rms; returns 1 / rms */
INLINE float normalise(float *x)
{
    float mean = mean_of(x);
    for (int v = 0; v < WIDTH; v += LANES) store(x + v, load(x + v) - mean);
    float inverse = inverse_rms(x);
    for (int v = 0; v < WIDTH; v += LANES) store(x + v, load(x + v) * inverse);
    return inverse;
}

static void normalised_atoms(work_t *w)
{
    const model_t *m = w->model;
    for (int64_t i = 0; i < w->graph->atoms; i++) {
        float *x = w->atoms + i * WIDTH, *out = w->normal + i * WIDTH;
        if (m->readout_scale) w->d_message[i] = normalise(x); /* 1 / rms, for the way back */
        for (int v = 0; v < WIDTH; v += LANES)
            store(out + v, m->readout_scale ? load(x + v) * load(m->readout_scale + v) +
                                                  load(m->readout_shift + v)
                                            : load(x + v));
    }
}

static void readout_forward(work_t *w, double *energies)
{
    const model_t *m = w->model;
    const graph_t *g = w->graph;
    float *active = w->d_atoms; /* free on the way forward */
    normalised_atoms(w);
    const float *input = w->normal;
    for (int64_t k = 0; k < m->readouts; k++) {
        product(input, WIDTH, g->atoms, m->hidden[k], WIDTH, WIDTH, w->hidden[k], WIDTH,
                m->hidden_bias[k], SET);
        for (int64_t v = 0; v < g->atoms * WIDTH; v += LANES)
            store(active + v, silu(load(w->hidden[k] + v)));
        input = active;
    }
    for (int64_t i = 0; i < g->atoms; i++)
        energies[i] = m->reference[g->species[i]] + m->last_bias +
                      dot_exactly(input + i * WIDTH, m->last);
}

static void readout_backward(work_t *w)
{
    const model_t *m = w->model;
    const graph_t *g = w->graph;
    float *d = w->d_atoms, *spare = w->normal; /* no longer needed */
    for (int64_t i = 0; i < g->atoms; i++) memcpy(d + i * WIDTH, m->last, sizeof(float) * WIDTH);
    for (int64_t k = m->readouts - 1; k >= 0; k--) {
        for (int64_t v = 0; v < g->atoms * WIDTH; v += LANES)
            store(spare + v, load(d + v) * silu_slope(load(w->hidden[k] + v)));
        product(spare, WIDTH, g->atoms, m->hidden_t[k], WIDTH, WIDTH, d, WIDTH, 0, SET);
    }
    if (!m->readout_scale) return;
    for (int64_t i = 0; i < g->atoms; i++) {
        float *row = d + i * WIDTH;
        const float *x = w->atoms + i * WIDTH;
        for (int v = 0; v < WIDTH; v += LANES)
            store(row + v, load(row + v) * load(m->readout_scale + v));
        float mean = mean_of(row), along = dot(row, x) * (1.f / WIDTH);
        for (int v = 0; v < WIDTH; v += LANES)
            store(row + v, (load(row + v) - mean - load(x + v) * along) * w->d_message[i]);
    }
}

#endif
