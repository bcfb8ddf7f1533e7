/* bench_svg.c - curves as SVG, by hand: axes that begin at 0, a mark at each point, a legend. */
#include "bench_report.h"

enum { WIDTH = 640, HEIGHT = 400, LEFT = 70, RIGHT = 20, TOP = 40, BOTTOM = 50, TICKS = 5 };

static const char *const colours[] = { "#1f6fb2", "#c0392b", "#2e8b57", "#8e44ad", "#d68910" };
enum { N_COLOURS = sizeof colours / sizeof *colours };

/* The least of 1, 2, 5, 10, 20, ... that is not below v. */
static double round_up(double v)
{
        static const double steps[] = { 1, 2, 5 };
        double unit = 1;

        if (!(v > 0))
                return 1;
        while (unit > v)
                unit /= 10;
        for (;; unit *= 10)
                for (int i = 0; i < 3; i++)
                        if (steps[i] * unit >= v)
                                return steps[i] * unit;
}

struct frame { double x_most, y_most; };

static double at_x(const struct frame *f, double x)
{
        return LEFT + x / f->x_most * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct frame *f, double y)
{
        return HEIGHT - BOTTOM - y / f->y_most * (HEIGHT - TOP - BOTTOM);
}

static void text(struct wt_buf *b, double x, double y, const char *anchor, const char *s)
{
        wt_buf_fmt(b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
        for (; *s != '\0'; s++) {
                if (*s == '<' || *s == '>' || *s == '&')
                        wt_buf_fmt(b, "&#%d;", *s);
                else
                        wt_buf_add(b, s, 1);
        }
        wt_buf_str(b, "</text>\n");
}

static void axes(struct wt_buf *b, const struct frame *f, const char *x_name, const char *y_name)
{
        struct wt_buf n = { 0 };

        for (int i = 0; i <= TICKS; i++) {
                double x = f->x_most * i / TICKS, y = f->y_most * i / TICKS;

                wt_buf_fmt(b, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, at_y(f, y),
                           WIDTH - RIGHT);
                wt_buf_clear(&n);
                wt_buf_fmt(&n, "%g", x);
                text(b, at_x(f, x), HEIGHT - BOTTOM + 16, "middle", n.data);
                wt_buf_clear(&n);
                wt_buf_fmt(&n, "%g", y);
                text(b, LEFT - 6, at_y(f, y) + 4, "end", n.data);
        }
        wt_buf_free(&n);
        wt_buf_fmt(b, "<path d=\"M%d %dV%dH%d\" stroke=\"#333\" fill=\"none\"/>\n", LEFT, TOP,
                   HEIGHT - BOTTOM, WIDTH - RIGHT);
        text(b, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 12, "middle", x_name);
        wt_buf_fmt(b, "<g transform=\"rotate(-90)\">");
        text(b, -(TOP + (HEIGHT - TOP - BOTTOM) / 2.0), 18, "middle", y_name);
        wt_buf_str(b, "</g>\n");
}

static void curve(struct wt_buf *b, const struct frame *f, const struct bench_curve *c, uint32_t i)
{
        const char *colour = colours[i % N_COLOURS];

        wt_buf_fmt(b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
        for (uint32_t k = 0; k < c->n; k++)
                wt_buf_fmt(b, "%s%.1f,%.1f", k > 0 ? " " : "", at_x(f, c->x[k]), at_y(f, c->y[k]));
        wt_buf_str(b, "\"/>\n");
        for (uint32_t k = 0; k < c->n; k++)
                wt_buf_fmt(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                           at_x(f, c->x[k]), at_y(f, c->y[k]), colour);
        wt_buf_fmt(b, "<rect x=\"%d\" y=\"%u\" width=\"12\" height=\"4\" fill=\"%s\"/>\n",
                   LEFT + 12, TOP + 10 + 16 * i, colour);
        text(b, LEFT + 30, TOP + 16 + 16.0 * i, "start", c->name);
}

void bench_svg(struct wt_buf *b, const char *title, const char *x_name, const char *y_name,
               const struct bench_curve *c, uint32_t n)
{
        struct frame f = { 0, 0 };

        for (uint32_t i = 0; i < n; i++)
                for (uint32_t k = 0; k < c[i].n; k++) {
                        f.x_most = c[i].x[k] > f.x_most ? c[i].x[k] : f.x_most;
                        f.y_most = c[i].y[k] > f.y_most ? c[i].y[k] : f.y_most;
                }
        f.x_most = round_up(f.x_most);
        f.y_most = round_up(f.y_most);
        wt_buf_fmt(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                   "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"%d\" height=\"%d\" "
                   "fill=\"white\"/>\n", WIDTH, HEIGHT, WIDTH, HEIGHT);
        text(b, WIDTH / 2.0, 22, "middle", title);
        axes(b, &f, x_name, y_name);
        for (uint32_t i = 0; i < n; i++)
                curve(b, &f, &c[i], i);
        wt_buf_str(b, "</svg>\n");
}
