/* SPDX-License-Identifier: BSD-3-Clause */
/* The matrix product of every backend against the formula in double. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

#include "kernel/gemm.h"

enum { N_SHAPES = 200 };

struct problem {
    int64_t m, n, k, ldc;
    struct hn_matrix a, b;
    real *c, beta;
};

/* A rows x cols operand, stored by rows or by columns. */
static struct hn_matrix operand(struct guarded *g, int64_t rows, int64_t cols)
{
    struct hn_matrix x = {random_array(g, rows * cols), cols, 1};

    if (random_below(g, 2)) {
        x.row = 1;
        x.col = rows;
    }
    return x;
}

static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t sizes[] = {1, 2, 3, 7, 10, 16, 33, 64, 65, 131};

    p->m = sizes[random_below(g, 10)];
    p->n = sizes[random_below(g, 10)];
    p->k = sizes[random_below(g, 10)];
    p->ldc = p->n + random_below(g, 3);
    p->a = operand(g, p->m, p->k);
    p->b = operand(g, p->k, p->n);
    p->c = random_array(g, p->m * p->ldc);
    p->beta = (real)random_below(g, 2);
}

static void formula(double *want, const struct problem *p)
{
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->ldc; j++) {
            double *w = want + i * p->ldc + j;

            *w = p->c[i * p->ldc + j];
            if (j >= p->n)
                continue;
            *w *= p->beta;
            for (int64_t l = 0; l < p->k; l++)
                *w += (double)p->a.p[i * p->a.row + l * p->a.col] *
                      p->b.p[l * p->b.row + j * p->b.col];
        }
}

START_TEST(product_of_every_backend_equals_the_formula)
{
    static const int32_t backends[] = {HN_GEMM_AUTO, HN_GEMM_BUILTIN,
                                       HN_GEMM_BLIS};
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p;
        double *want;

        draw(&p, &g);
        want = zeros(p.m * p.ldc);
        formula(want, &p);
        for (int i = 0; i < 3; i++) {
            real *c = copy_array(&g, p.c, p.m * p.ldc);

            hn_gemm(backends[i], c, p.ldc, p.a, p.b, p.m, p.n, p.k, p.beta);
            expect_near(c, want, p.m * p.ldc, 5e-6, "gemm");
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(beta_zero_does_not_read_the_destination)
{
    static const real a[2] = {1, 2}, b[2] = {3, 4};
    struct hn_matrix ma = {a, 2, 1}, mb = {b, 1, 1};

    for (int32_t backend = 0; backend < 3; backend++) {
        real c = (real)NAN;

        hn_gemm(backend, &c, 1, ma, mb, 1, 1, 2, 0);
        ck_assert(c == 11);
        c = (real)NAN;
        hn_gemm(backend, &c, 1, ma, mb, 1, 1, 0, 0);
        ck_assert(c == 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gemm");
    TCase *c = tcase_create("gemm");

    tcase_add_test(c, product_of_every_backend_equals_the_formula);
    tcase_add_test(c, beta_zero_does_not_read_the_destination);
    suite_add_tcase(s, c);
    return run_suite(s);
}
