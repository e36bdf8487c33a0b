/* One row of a gated MLP after its last layer: silu(norm(core)) sigmoid(norm(gate)).
 *
 * The layer before is centred (its outputs have zero mean by construction of the weights), so the
 * LayerNorm is a division by the root mean square, and its backward needs one sum instead of two. */
#ifndef IONFLOW_GATE_H
#define IONFLOW_GATE_H

#include "dense.h"

#define EPSILON 1e-5f
#define AHEAD (16 * WIDTH) /* floats: 8 rows, a page that the hardware does not cross by itself */
#define PARTS (WIDTH / LANES)

INLINE float inverse_rms(const float *y)
{
    vf sum = splat(0);
    for (int v = 0; v < WIDTH; v += LANES) sum += load(y + v) * load(y + v);
    return 1.f / __builtin_sqrtf(total(sum) * (1.f / WIDTH) + EPSILON);
}

/* inverse (rows x 2): 1 / rms of the core and gate of each row, all at once: the roots' latency is
 * then paid once, not row by row */
static void inverse_norms(const gated_t *g, const float *y, int64_t rows, float *inverse)
{
    if (!g->scale) return;
    for (int64_t half = 0; half < 2 * rows; half++) {
        vf sum = splat(0);
        for (int v = 0; v < WIDTH; v += LANES) {
            vf part = load(y + half * WIDTH + v);
            sum += part * part;
        }
        inverse[half] = total(sum);
    }
    for (int64_t half = 0; half < 2 * rows; half++)
        inverse[half] = 1.f / __builtin_sqrtf(inverse[half] * (1.f / WIDTH) + EPSILON);
}

/* y: 128 before the norm; inverse: 2 numbers of inverse_norms; message: 64 */
INLINE void gate_forward(const gated_t *g, const float *y, const float *inverse, vf *message)
{
    const int norm = g->scale != 0;
    vf a = splat(1), b = splat(1);
    if (norm) {
        a = splat(inverse[0]);
        b = splat(inverse[1]);
    }
    for (int p = 0; p < PARTS; p++) {
        int v = p * LANES;
        vf core = load(y + v), gate = load(y + WIDTH + v);
        if (norm) {
            core = core * a * load(g->scale + v) + load(g->shift + v);
            gate = gate * b * load(g->scale + WIDTH + v) + load(g->shift + WIDTH + v);
        }
        message[p] = core / ((1.f + decay(core)) * (1.f + decay(gate)));
    }
}

/* back: 128, the gradient with respect to y, given that with respect to message times weight;
 * product: 64, gradient with respect to the weight */
INLINE void gate_backward(const gated_t *g, const float *y, const float *inverse,
                          const vf *gradient, const vf *weight, vf *product_, float *back)
{
    const int norm = g->scale != 0;
    for (int v = 0; v < 2 * WIDTH; v += 16) __builtin_prefetch(y + AHEAD + v);
    vf a = splat(norm ? inverse[0] : 1), b = splat(norm ? inverse[1] : 1);
    vf along_core = splat(0), along_gate = splat(0);
    for (int p = 0; p < PARTS; p++) {
        int v = p * LANES;
        vf y_core = load(y + v), y_gate = load(y + WIDTH + v), core = y_core, gate = y_gate;
        if (norm) {
            core = core * a * load(g->scale + v) + load(g->shift + v);
            gate = gate * b * load(g->scale + WIDTH + v) + load(g->shift + WIDTH + v);
        }
        vf one_core = 1.f + decay(core), one_gate = 1.f + decay(gate);
        vf both = 1.f / (one_core * one_gate);
        vf s_core = both * one_gate, s_gate = both * one_core, message = core * both;
        product_[p] = message * gradient[p];
        vf into = gradient[p] * weight[p];
        vf d_core = into * both * (1.f + core * (1.f - s_core));
        vf d_gate = into * message * (1.f - s_gate);
        if (norm) {
            d_core *= load(g->scale + v);
            d_gate *= load(g->scale + WIDTH + v);
            along_core += d_core * y_core;
            along_gate += d_gate * y_gate;
        }
        store(back + v, d_core);
        store(back + WIDTH + v, d_gate);
    }
    if (!norm) return;
    vf cut_core = splat(total(along_core) * inverse[0] * inverse[0] * inverse[0] * (1.f / WIDTH));
    vf cut_gate = splat(total(along_gate) * inverse[1] * inverse[1] * inverse[1] * (1.f / WIDTH));
    for (int v = 0; v < WIDTH; v += LANES) {
        store(back + v, load(back + v) * a - load(y + v) * cut_core);
        store(back + WIDTH + v, load(back + WIDTH + v) * b - load(y + WIDTH + v) * cut_gate);
    }
}

/* y = two 64x64 products of the halves of h; both 128 wide */
static void hidden_layer(const gated_t *g, const float *h, int64_t rows, float *y)
{
    product(h, 2 * WIDTH, rows, g->core, WIDTH, WIDTH, y, 2 * WIDTH, g->bias, SET);
    product(h + WIDTH, 2 * WIDTH, rows, g->gate, WIDTH, WIDTH, y + WIDTH, 2 * WIDTH,
            g->bias + WIDTH, SET);
}

static void hidden_layer_back(const gated_t *g, const float *d, int64_t rows, float *back)
{
    product(d, 2 * WIDTH, rows, g->core_t, WIDTH, WIDTH, back, 2 * WIDTH, 0, SET);
    product(d + WIDTH, 2 * WIDTH, rows, g->gate_t, WIDTH, WIDTH, back + WIDTH, 2 * WIDTH, 0, SET);
}

#endif
