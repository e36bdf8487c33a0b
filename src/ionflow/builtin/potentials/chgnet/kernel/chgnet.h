/* The binary interface of the kernel; kernel/__init__.py mirrors it field by field.
 *
 * Matrices are row-major (input, output); *_t is the transpose. The width of all features is 64;
 * a gated MLP's core and gate lie beside each other in 128 columns. A table holds, for each interval
 * of a grid, TERMS rows of polynomial coefficients in t = -1..1, constant first. */
#ifndef IONFLOW_CHGNET_H
#define IONFLOW_CHGNET_H

#include <stdint.h>

#define CHGNET_ABI 1
#define WIDTH 64
#define TERMS 6
#define MOST_LAYERS 16
#define MOST_READOUT 8

typedef struct {
    const float *core, *gate, *core_t, *gate_t; /* 64x64, or NULL: one layer only */
    const float *bias;                          /* 128 */
    const float *scale, *shift;                 /* 128, or NULL: no LayerNorm */
} gated_t;

typedef struct {
    const float *nodes, *nodes_t;       /* 64x256: centre beside neighbour */
    const float *bias, *bias_with_angles; /* 256 */
    const float *bond, *bond_t;         /* 64x128 */
    const float *radial;                /* table of 128, long grid */
    gated_t gated;
    const float *out, *out_t, *out_bias; /* 64x64, 64 */
} atom_conv_t;

typedef struct {
    const float *bonds, *bonds_t;   /* 64x256: left beside right */
    const float *centre, *centre_t; /* 64x128 */
    const float *angle, *angle_t;   /* 64x128 */
    const float *radial;            /* table of 256, short grid; holds the bias */
    const float *angular;           /* table of 128, angle grid */
    gated_t gated;
    const float *out, *out_t; /* 64x64, or NULL: an AngleUpdate */
} angle_conv_t;

typedef struct {
    int64_t layers;
    int64_t readouts;    /* hidden layers of the energy's MLP */
    double grids[3];     /* intervals per unit of length (long, short) or angle */
    int64_t intervals[3];
    const float *atoms;  /* element x 64 */
    const float *nodes, *nodes_with_angles; /* element x 256: the first layer's, summed in double */
    const double *reference;
    const float *weight, *short_weight; /* tables of 64 */
    const atom_conv_t *atom_convs;      /* layers */
    const angle_conv_t *bond_convs;     /* layers - 1 */
    const angle_conv_t *angle_updates;  /* layers - 2 */
    const float *readout_scale, *readout_shift; /* 64, or NULL: no LayerNorm */
    const float *hidden[MOST_READOUT], *hidden_t[MOST_READOUT], *hidden_bias[MOST_READOUT];
    const float *last; /* 64 */
    double last_bias;
} model_t;

typedef struct {
    int64_t atoms, bonds, shorts, pairs;
    const int32_t *species;        /* atomic number - 1 */
    const int32_t *first, *second; /* atoms of a bond, short bonds first */
    const double *vectors;         /* bonds x 3, first to second */
    const int32_t *left, *right;   /* directed short bonds: 2b from first, 2b + 1 from second */
} graph_t;

typedef struct {
    double *energies; /* atoms, eV */
    double *forces;   /* atoms x 3, eV/A */
    double *virial;   /* 3x3, eV: stress times volume */
} result_t;

#endif
