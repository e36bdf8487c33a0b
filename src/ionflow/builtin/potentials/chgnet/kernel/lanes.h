/* Vectors of floats, as wide as the instruction set this file is compiled for. */
#ifndef IONFLOW_LANES_H
#define IONFLOW_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define COLUMNS 4 /* vectors of a row that a matrix product holds in registers at once */
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
#define COLUMNS 2
#elif defined(__aarch64__)
#define LANES 4
#define COLUMNS 4
#else
#define LANES 4
#define COLUMNS 2
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef float vf_any __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vf load(const float *p) { return *(const vf_any *)p; }
INLINE void store(float *p, vf x) { *(vf_any *)p = x; }
INLINE void add_to(float *p, vf x) { store(p, load(p) + x); }
INLINE vf splat(float x) { return x - (vf){0}; }

#if defined(__AVX512F__)
INLINE vf clamp(vf x, float low, float high)
{
    return (vf)_mm512_min_ps(_mm512_max_ps((__m512)x, _mm512_set1_ps(low)), _mm512_set1_ps(high));
}
INLINE float total(vf x) { return _mm512_reduce_add_ps((__m512)x); }
#elif defined(__AVX2__)
INLINE vf clamp(vf x, float low, float high)
{
    return (vf)_mm256_min_ps(_mm256_max_ps((__m256)x, _mm256_set1_ps(low)), _mm256_set1_ps(high));
}
INLINE float total(vf x)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#else
INLINE vf clamp(vf x, float low, float high)
{
    vi below = x < splat(low), above = x > splat(high);
    vi inside = (vi)x & ~(below | above);
    return (vf)(inside | ((vi)splat(low) & below) | ((vi)splat(high) & above));
}
INLINE float total(vf x)
{
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += x[i];
    return sum;
}
#endif

/* e^-x to 1e-7, with -x = n ln 2 + r; x is clamped so that products of two results stay finite.
 * ln 2 is in two parts, the first short enough for an exact product; e^r is 1 + r + r^2 q(r) with q
 * minimax in |r| < ln 2 / 2; n is added to the exponent's bits. */
INLINE vf decay(vf x)
{
    const vf magic = splat(12582912.f); /* 1.5 * 2^23: its addition rounds to an integer */
    x = clamp(x, -40.f, 40.f);
    vf shifted = x * -1.44269504088896341f + magic, n = shifted - magic;
    vf r = n * 2.12194440e-4f - (n * 0.693359375f + x);
    vf q = r * 0.0013814594130963087f + 0.0083687175065279f;
    q = q * r + 0.04166838899254799f;
    q = q * r + 0.1666652113199234f;
    q = q * r + 0.4999999403953552f;
    vf p = q * (r * r) + (r + 1.f);
    return (vf)((vi)p + ((vi)shifted << 23));
}

INLINE vf sigmoid(vf x) { return 1.f / (1.f + decay(x)); }
INLINE vf silu(vf x) { return x / (1.f + decay(x)); }

/* d silu(x) / dx */
INLINE vf silu_slope(vf x)
{
    vf s = sigmoid(x);
    return s * (1.f + x * (1.f - s));
}

#endif
