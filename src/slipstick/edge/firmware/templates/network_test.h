/* Comparison of the firmware's outputs with golden vectors, of slipstick's bit-true runner. */
#ifndef NETWORK_TEST_H
#define NETWORK_TEST_H

#ifdef __cplusplus
extern "C" {
#endif

#define NETWORK_TEST_VECTORS @VECTORS@

/* Run every golden vector; return the number of output bytes that differ: 0 where all are equal, -1 for a refused run. */
int network_test(void);

#ifdef __cplusplus
}
#endif

#endif
