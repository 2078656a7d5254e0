/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells as a picture.  Every source has a lane that runs downwards, every
 * intermediate node a row.  Where a lane meets a row stands a chip with the
 * edge's operation; a coloured line takes its result along the row to the
 * node, where the node's own lane begins.  So no label ever hides another,
 * and lines cross at right angles only. */
#include <string.h>

#include "hnas/formats.h"
#include "io/json.h"
#include "io/palette.h"
#include "io/text.h"
#include "net/network.h"

enum {
    LETTER = 7, /* a letter's width */
    CHIP_HEIGHT = 22,
    CHIP_GAP = 12, /* between lanes */
    LINE_GAP = 6,  /* between the lines of a row */
    ROW_GAP = 20,
    PILL_WIDTH = 46, /* of an intermediate node */
    PILL_HEIGHT = 24,
    MARGIN = 20,
    HEAD = 36, /* the text above a cell */
    LEGEND_ROW = 30
};

/* Where the parts of a cell stand. */
struct panel {
    const struct hn_drawing *d;
    const char *title;
    int x, y, width, height;
    int chip;                          /* width */
    int row[2 + HN_MOST_CELL_NODES];   /* top of a row's chips */
    int first[2 + HN_MOST_CELL_NODES]; /* y of a row's first line */
    int pill[2 + HN_MOST_CELL_NODES];  /* top of a node */
    int tall[2 + HN_MOST_CELL_NODES];  /* height of a node */
    int bar;                           /* top of the output */
};

static int lane(const struct panel *p, int32_t node)
{
    return p->x + MARGIN + (int)node * (p->chip + CHIP_GAP) + p->chip / 2;
}

static int count_lines(const struct hn_drawing *d, int32_t to)
{
    int n = 0;

    for (int32_t i = 0; i < d->n_edges; i++)
        n += d->edge[i].to == to && d->state[i] != HN_EDGE_ZERO;
    return n;
}

/* Set all places below (x, y). */
static void place(struct panel *p, int x, int y)
{
    const int32_t n = p->d->n_nodes;

    p->x = x;
    p->y = y;
    y += HEAD;
    p->row[0] = p->row[1] = p->pill[0] = p->pill[1] = y;
    p->tall[0] = p->tall[1] = PILL_HEIGHT;
    y += PILL_HEIGHT + ROW_GAP;
    for (int32_t v = 2; v < 2 + n; v++) {
        const int lines = count_lines(p->d, v);
        const int bundle = lines > 1 ? (lines - 1) * LINE_GAP : 0;
        const int tall = bundle + 14 > PILL_HEIGHT ? bundle + 14 : PILL_HEIGHT;

        p->row[v] = y;
        p->tall[v] = tall;
        p->pill[v] = y + CHIP_HEIGHT + 2;
        p->first[v] = p->pill[v] + (tall - bundle) / 2;
        y += CHIP_HEIGHT + 2 + tall + ROW_GAP;
    }
    p->bar = y;
    p->height = y + PILL_HEIGHT + MARGIN - p->y;
    p->width = lane(p, 1 + n) - p->x + PILL_WIDTH / 2 + MARGIN;
    if (p->width < 260)
        p->width = 260;
}

/* Down to the last chip that reads a node; intermediate ones reach the
 * output. */
static void put_lane(struct hn_text *t, const struct panel *p, int32_t v)
{
    int end = v < 2 ? 0 : p->bar;

    for (int32_t i = 0; i < p->d->n_edges; i++) {
        const hnas_arch_edge *e = &p->d->edge[i];

        if (e->from == v && p->d->state[i] != HN_EDGE_ZERO &&
            p->row[e->to] > end)
            end = p->row[e->to];
    }
    if (end)
        hn_text_put(t, "<path class=\"lane%s\" d=\"M%d %dV%d\"/>\n",
                    p->d->alive[v] ? "" : " dead", lane(p, v),
                    p->pill[v] + p->tall[v], end);
}

static void put_pill(struct hn_text *t, const struct panel *p, int32_t v)
{
    const int width = v < 2 ? p->chip : PILL_WIDTH;
    const int middle = p->pill[v] + p->tall[v] / 2 + 4;

    hn_text_put(t,
                "<rect class=\"node%s\" x=\"%d\" y=\"%d\" width=\"%d\" "
                "height=\"%d\" rx=\"%d\"/>\n",
                p->d->alive[v] ? "" : " zero", lane(p, v) - width / 2,
                p->pill[v], width, p->tall[v], v < 2 ? 4 : 12);
    if (v < 2)
        hn_text_put(t, "<text x=\"%d\" y=\"%d\">input %d</text>\n", lane(p, v),
                    middle, (int)v);
    else
        hn_text_put(t, "<text x=\"%d\" y=\"%d\">%d%s</text>\n", lane(p, v),
                    middle, (int)v, p->d->alive[v] ? "" : " = 0");
}

/* One edge: its chip, and the line to its node.  The first source's line is
 * the lowest, so that lines of a row don't cross. */
static void put_edge(struct hn_text *t, const struct panel *p, int32_t i,
                     int line)
{
    static const char *const look[] = {"", " dead", " none"};
    const hnas_arch_edge *e = &p->d->edge[i];
    const int colour = hn_palette_find(e->op_name);
    const int x = lane(p, e->from), y = p->row[e->to];
    const int at = p->first[e->to] + line * LINE_GAP;
    const int end = lane(p, e->to) - PILL_WIDTH / 2,
              bend = x + p->chip / 2 - 14;

    hn_text_put(t, "<g class=\"c%d%s\"><title>%d to %d: %s</title>", colour,
                look[p->d->state[i]], (int)e->from, (int)e->to, e->op_name);
    if (p->d->state[i] != HN_EDGE_ZERO)
        hn_text_put(t,
                    "<path class=\"wire\" d=\"M%d %dV%dq0 6 6 6H%d\"/>"
                    "<path class=\"tip\" d=\"M%d %dl7 -4v8z\" "
                    "transform=\"rotate(180 %d %d)\"/>",
                    bend, y + CHIP_HEIGHT, at - 6, end - 5, end, at, end, at);
    hn_text_put(t,
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>"
                "<text x=\"%d\" y=\"%d\">%s</text></g>\n",
                x - p->chip / 2, y, p->chip, CHIP_HEIGHT, x, y + 15,
                e->op_name);
}

static void put_edges(struct hn_text *t, const struct panel *p)
{
    for (int32_t v = 2, i = 0; v < 2 + p->d->n_nodes; v++) {
        int line = count_lines(p->d, v);

        for (; i < p->d->n_edges && p->d->edge[i].to == v; i++) {
            line -= p->d->state[i] != HN_EDGE_ZERO;
            put_edge(t, p, i, line);
        }
    }
}

static void put_output(struct hn_text *t, const struct panel *p)
{
    const int32_t last = 1 + p->d->n_nodes;
    const int left = lane(p, 2) - PILL_WIDTH;
    const int right = lane(p, last) + PILL_WIDTH / 2;

    hn_text_put(t,
                "<rect class=\"node\" x=\"%d\" y=\"%d\" width=\"%d\" "
                "height=\"%d\" rx=\"4\"/><text x=\"%d\" y=\"%d\">",
                left, p->bar, right - left, PILL_HEIGHT, (left + right) / 2,
                p->bar + 16);
    hn_text_put(t, last > 2 ? "output: 2 to %d</text>\n" : "output</text>\n",
                (int)last);
}

static void put_panel(struct hn_text *t, const struct panel *p)
{
    const int32_t n = p->d->n_nodes;

    hn_text_put(t, "<g><text class=\"title\" x=\"%d\" y=\"%d\">%s</text>\n",
                p->x + MARGIN, p->y + 18, p->title);
    if (!n)
        hn_text_put(t,
                    "<text class=\"side\" x=\"%d\" y=\"%d\">none in this "
                    "network</text>\n",
                    p->x + MARGIN, p->y + 44);
    for (int32_t v = 0; n && v < 2 + n; v++)
        put_lane(t, p, v);
    put_edges(t, p);
    for (int32_t v = 0; n && v < 2 + n; v++)
        put_pill(t, p, v);
    if (n)
        put_output(t, p);
    hn_text_put(t, "</g>\n");
}

/* ---- the whole picture ---- */

static const char style[] =
    "text{font:12px system-ui,\"Segoe UI\",Roboto,\"DejaVu Sans\",sans-serif;"
    "text-anchor:middle;fill:#1f2733}\n"
    ".page{fill:#fff}.title,.side{text-anchor:start}.title{font-size:15px;"
    "font-weight:600}.side{fill:#5f6b7a}\n"
    ".lane{fill:none;stroke:#b9c1cb;stroke-width:1.5}.node{fill:#eef1f5;"
    "stroke:#7d8896}.zero{fill:none;stroke-dasharray:3 3}\n"
    ".wire{fill:none;stroke-width:2}g rect{stroke:none}g .node{stroke:#7d8896}"
    "g .page{stroke:none}\n"
    ".dead{stroke-dasharray:3 3;opacity:.45}.none rect{fill:none;"
    "stroke-width:1;stroke-dasharray:2 3}g.none{opacity:.75}\n";

static const char dark_style[] =
    "text{fill:#e6eaf0}.page{fill:#14181f}.side{fill:#9aa5b3}.lane{stroke:"
    "#465160}.node{fill:#232a34}.node,g .node{stroke:#8a96a5}.zero{fill:none}";

static void put_colours(struct hn_text *t, int is_dark)
{
    for (int i = 0; i < HN_N_COLOURS; i++) {
        const char *c = is_dark ? hn_palette[i].dark : hn_palette[i].light;

        hn_text_put(t,
                    ".c%d rect,.c%d .tip{fill:%s}.c%d .wire{stroke:%s}"
                    ".c%d text{fill:%s}\n",
                    i, i, c, i, c, i, is_dark ? "#10141a" : "#fff");
    }
    hn_text_put(t, ".none rect{fill:%s;stroke:%s}.none text{fill:%s}\n",
                is_dark ? "#14181f" : "#fff",
                is_dark ? hn_palette[9].dark : hn_palette[9].light,
                is_dark ? hn_palette[9].dark : hn_palette[9].light);
}

static void put_style(struct hn_text *t)
{
    hn_text_put(t, "<style>\n");
    hn_text_bytes(t, style, sizeof style - 1);
    put_colours(t, 0);
    hn_text_put(t, "@media (prefers-color-scheme:dark){");
    hn_text_bytes(t, dark_style, sizeof dark_style - 1);
    put_colours(t, 1);
    hn_text_put(t, "}\n</style>\n");
}

/* Where lambda, rule and cost are known, a line about them. */
static void put_about(struct hn_text *t, const hnas_arch *arch)
{
    hnas_cost cost;
    double lambda;
    char number[HN_NUMBER_BYTES];

    hnas_arch_get_lambda(arch, &lambda, NULL, NULL);
    hnas_arch_get_cost(arch, &cost, NULL);
    hn_text_put(t, "rule %s",
                hn_arch_rule_find(hnas_arch_get_rule(arch))->name);
    if (lambda == lambda && !hn_number_format(number, lambda))
        hn_text_put(t, ", \xce\xbb = %s", number);
    if (cost.params >= 0)
        hn_text_put(t, ", %lld parameters, %lld MACs", (long long)cost.params,
                    (long long)cost.macs);
}

/* What the legend tells: operations in use, each once, and how often. */
struct legend {
    const char *name;
    int count;
};

static int list_ops(struct legend *l, const struct hn_drawing *d, int n,
                    int most)
{
    for (int32_t i = 0; i < d->n_edges; i++) {
        int at = 0;

        while (at < n && strcmp(l[at].name, d->edge[i].op_name))
            at++;
        if (at == most)
            continue;
        l[at].name = d->edge[i].op_name;
        l[at].count = at < n ? l[at].count + 1 : 1;
        n += at == n;
    }
    return n;
}

static int legend_width(const char *name)
{
    return LETTER * ((int)strlen(name) + 5) + 34;
}

/* Draw the legend, or with t NULL tell its height alone. */
static int put_legend(struct hn_text *t, const struct legend *l, int n, int y,
                      int width)
{
    int x = MARGIN, rows = n > 0;

    for (int i = 0; i < n; i++) {
        const int w = legend_width(l[i].name);
        const int is_none = hn_palette_find(l[i].name) == 9;

        if (x + w > width && x > MARGIN) {
            x = MARGIN;
            rows++;
        }
        if (t)
            hn_text_put(t,
                        "<g class=\"c%d%s\"><rect x=\"%d\" y=\"%d\" "
                        "width=\"16\" height=\"16\" rx=\"4\"/></g><text "
                        "class=\"side\" x=\"%d\" y=\"%d\">%s \xc3\x97 %d"
                        "</text>\n",
                        hn_palette_find(l[i].name), is_none ? " none" : "", x,
                        y + (rows - 1) * LEGEND_ROW, x + 23,
                        y + (rows - 1) * LEGEND_ROW + 13, l[i].name,
                        l[i].count);
        x += w;
    }
    return rows * LEGEND_ROW;
}

static int chip_width(const struct hn_drawing d[HNAS_N_KINDS])
{
    size_t most = 11;

    for (int k = 0; k < HNAS_N_KINDS; k++)
        for (int32_t i = 0; i < d[k].n_edges; i++)
            if (strlen(d[k].edge[i].op_name) > most)
                most = strlen(d[k].edge[i].op_name);
    return LETTER * (int)most + 14;
}

static void put_picture(struct hn_text *t, const hnas_arch *arch,
                        const struct hn_drawing d[HNAS_N_KINDS])
{
    static const char *const titles[] = {"normal cell", "reduction cell"};
    struct panel p[HNAS_N_KINDS];
    struct legend l[HN_MOST_OPS];
    int n = 0, x = 0, y = 0;

    for (int k = 0; k < HNAS_N_KINDS; k++) {
        memset(&p[k], 0, sizeof p[k]);
        p[k].d = &d[k];
        p[k].title = titles[k];
        p[k].chip = chip_width(d);
        place(&p[k], x, 40);
        x += p[k].width + MARGIN;
        y = p[k].y + p[k].height > y ? p[k].y + p[k].height : y;
        n = list_ops(l, &d[k], n, HN_MOST_OPS);
    }
    hn_text_put(t,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
                "height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
                x, y + put_legend(NULL, l, n, y, x) + MARGIN / 2, x,
                y + put_legend(NULL, l, n, y, x) + MARGIN / 2);
    hn_text_put(t, "<title>The cells of a neural architecture</title>\n"
                   "<desc>");
    put_about(t, arch);
    hn_text_put(t, "</desc>\n");
    put_style(t);
    hn_text_put(t,
                "<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n"
                "<text class=\"side\" x=\"%d\" y=\"28\">",
                MARGIN);
    put_about(t, arch);
    hn_text_put(t, "</text>\n");
    for (int k = 0; k < HNAS_N_KINDS; k++)
        put_panel(t, &p[k]);
    put_legend(t, l, n, y, x);
    hn_text_put(t, "</svg>\n");
}

hnas_status hnas_arch_write_svg(const hnas_arch *arch, char *buffer,
                                size_t capacity, size_t *length)
{
    struct hn_drawing d[HNAS_N_KINDS];
    hnas_status st = HNAS_OK;
    struct hn_text t;

    if (length)
        *length = 0;
    if (!arch || !length || (!buffer && capacity > 0))
        return hn_fail_null(arch ? arch->ctx : NULL,
                            "arch svg: length or buffer");
    hn_text_init(&t, arch->ctx);
    memset(d, 0, sizeof d);
    for (int32_t k = 0; k < HNAS_N_KINDS && st == HNAS_OK; k++)
        st = hn_drawing_init(&d[k], arch, k);
    if (st == HNAS_OK) {
        put_picture(&t, arch, d);
        st = hn_text_copy(buffer, capacity, length, &t);
    }
    for (int32_t k = 0; k < HNAS_N_KINDS; k++)
        hn_drawing_finish(&d[k], arch->ctx);
    hn_text_finish(&t);
    return st;
}
