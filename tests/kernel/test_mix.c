/* SPDX-License-Identifier: BSD-3-Clause */
/* Mixtures and their sums of every level against the formula in double. */
#define _DEFAULT_SOURCE
#include "support/check_main.h"
#include "support/guarded.h"

enum { N_SHAPES = 200, MAX_TERMS = 9 };

struct problem {
    int64_t n_pix, cp, n;
    struct hn_terms terms;
    const real *z[MAX_TERMS], *scale[MAX_TERMS];
    real *g, *shift;
};

static void draw(struct problem *p, struct guarded *g)
{
    static const int64_t cps[] = {8, 16, 24, 40, 64};
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 49, 63, 97};

    p->n_pix = sizes[random_below(g, 8)];
    p->cp = cps[random_below(g, 5)];
    p->n = p->n_pix * p->cp;
    p->terms.n_terms = random_below(g, MAX_TERMS + 1);
    for (int64_t t = 0; t < p->terms.n_terms; t++) {
        p->z[t] = random_array(g, p->n);
        p->scale[t] = random_array(g, p->cp);
    }
    p->g = random_array(g, p->n);
    p->shift = random_array(g, p->cp);
}

START_TEST(mix_of_every_level_equals_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s};
        struct problem p;
        const real *shift;
        double *want;

        draw(&p, &g);
        p.terms.z = p.z;
        p.terms.scale = p.scale;
        shift = s & 1 ? p.shift : NULL;
        want = zeros(p.n);
        for (int64_t i = 0; i < p.n; i++) {
            want[i] = shift ? shift[i % p.cp] : 0;
            for (int64_t t = 0; t < p.terms.n_terms; t++)
                want[i] += (double)p.scale[t][i % p.cp] * p.z[t][i];
        }
        for (int l = 0; l < n_levels; l++) {
            real *y = random_array(&g, p.n);

            k[l].mix(y, p.terms, shift, p.n_pix, p.cp);
            expect_near(y, want, p.n, 1e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

START_TEST(mix_sums_of_every_level_equal_the_formula)
{
    struct hn_kernels k[MAX_LEVELS];
    const int n_levels = all_levels(k);
    const uint64_t n_shapes = count_shapes(N_SHAPES);

    for (uint64_t s = 0; s < n_shapes; s++) {
        struct guarded g = {.seed = s + 1000};
        struct problem p;
        double *want;
        int64_t n;

        draw(&p, &g);
        p.terms.z = p.z;
        p.terms.scale = NULL; /* not read */
        n = (1 + p.terms.n_terms) * p.cp;
        want = zeros(n);
        for (int64_t i = 0; i < p.n; i++) {
            want[i % p.cp] += p.g[i];
            for (int64_t t = 0; t < p.terms.n_terms; t++)
                want[(1 + t) * p.cp + i % p.cp] += (double)p.g[i] * p.z[t][i];
        }
        for (int l = 0; l < n_levels; l++) {
            real *sg = random_array(&g, p.cp);
            real *sgz = random_array(&g, p.terms.n_terms * p.cp + 8);

            k[l].mix_sums(sg, sgz, p.g, p.terms, p.n_pix, p.cp);
            expect_near(sg, want, p.cp, 2e-6, k[l].level);
            expect_near(sgz, want + p.cp, n - p.cp, 2e-6, k[l].level);
        }
        free(want);
        guarded_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mix");
    TCase *c = tcase_create("mix");

    tcase_add_test(c, mix_of_every_level_equals_the_formula);
    tcase_add_test(c, mix_sums_of_every_level_equal_the_formula);
    suite_add_tcase(s, c);
    return run_suite(s);
}
