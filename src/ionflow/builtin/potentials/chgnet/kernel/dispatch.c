/* Which of the compiled instruction sets this machine runs. */
#include "chgnet.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int64_t chgnet_abi(void) { return CHGNET_ABI; }

#if defined(__x86_64__) || defined(__i386__)
EXPORT int64_t chgnet_runs_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
EXPORT int64_t chgnet_runs_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

EXPORT int64_t chgnet_runs_generic(void) { return 1; }
