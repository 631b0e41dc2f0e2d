/* SPDX-License-Identifier: Apache-2.0
 *
 * The learning-curve picture. A gnuplot script with its data is written to an anonymous temporary file, which becomes gnuplot's
 * standard input; the picture comes back on its standard output and is written atomically. No shell and no file name
 * takes part in it: nothing that a user names can be read as a command.
 */
#include <errno.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nn/numbers.h"
#include "nn/train/train.h"

extern char **environ;

/* Two colours that also differ for the colour-blind and in print, and their light tints for the bands: light in themselves, so
 * that viewers that ignore opacity show the curves, too. */
static const char *const line_colors[] = {"#D55E00", "#0072B2"};
static const char *const band_colors[] = {"#F4B890", "#8CC3E4"};
static const char *const curve_names[] = {"train", "validation"}, *const curve_titles[] = {"training", "validation"};

/* What one panel draws: two curves of a mean and a deviation. */
struct panel {
    const char *title;
    bool metric;
};

struct curve_point {
    double mean, std;
};

static struct curve_point point_of(const struct tl_epoch *e, bool metric, bool validation)
{
    if (metric)
        return validation ? (struct curve_point){e->validation_metric, e->validation_metric_std}
                          : (struct curve_point){e->train_metric, e->train_metric_std};
    return validation ? (struct curve_point){e->validation_loss, e->validation_loss_std}
                      : (struct curve_point){e->train_loss, e->train_loss_std};
}

static bool has_points(const tl_history *h, bool metric, bool validation)
{
    for (size_t i = 0; i < tl_history_count(h); i++)
        if (isfinite(point_of(tl_history_at(h, i), metric, validation).mean))
            return true;
    return false;
}

/* Text inside single quotes. gnuplot's own escape for a quote ('') does not work everywhere, and it looks for backquotes
 * (commands!) and backslashes even there: quotes of all kinds become typographic ones, backslashes slashes. */
static void put_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\'' || c == '`' || c == '"')
            fputs("\xe2\x80\x99", to);
        else if (c == '\\')
            fputc('/', to);
        else
            fputc(c < 32 || c == 127 ? ' ' : c, to);
    }
    fputc('\'', to);
}

static void put_data(FILE *to, const tl_history *h, bool metric, bool validation)
{
    fprintf(to, "$%s_%s << END_OF_DATA\n", metric ? "metric" : "loss", curve_names[validation]);
    for (size_t i = 0; i < tl_history_count(h); i++) {
        const struct tl_epoch *e = tl_history_at(h, i);
        struct curve_point p = point_of(e, metric, validation);
        if (isfinite(p.mean))
            fprintf(to, "%lld %.9g %.9g\n", (long long)e->epoch, p.mean, isfinite(p.std) ? p.std : 0);
    }
    fputs("END_OF_DATA\n", to);
}

/* The range that both bands need, held inside what the quantity can be: losses seldom fall under 0, shares never leave
 * [0, 1]. */
static void put_range(FILE *to, const tl_history *h, const struct panel *p, bool log_scale)
{
    double low = INFINITY, high = -INFINITY, lowest_mean = INFINITY, highest_mean = -INFINITY;
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < tl_history_count(h); i++) {
            struct curve_point q = point_of(tl_history_at(h, i), p->metric, v == 1);
            if (!isfinite(q.mean))
                continue;
            double std = isfinite(q.std) ? q.std : 0;
            low = fmin(low, q.mean - std);
            high = fmax(high, q.mean + std);
            lowest_mean = fmin(lowest_mean, q.mean);
            highest_mean = fmax(highest_mean, q.mean);
        }
    if (log_scale && !p->metric && lowest_mean > 0) {
        fprintf(to, "set logscale y\nset yrange [%.9g:%.9g]\n", fmax(low, lowest_mean / 2), high * 1.1);
        return;
    }
    double margin = high > low ? 0.05 * (high - low) : 0.05 * fmax(fabs(high), 0.1);
    double bottom = low - margin, top = high + margin;
    if (lowest_mean >= 0 && bottom < 0)
        bottom = 0;
    if (p->metric && lowest_mean >= 0 && highest_mean <= 1 && top > 1)
        top = 1 + 0.01 * (1 - bottom);
    fprintf(to, "unset logscale y\nset yrange [%.9g:%.9g]\n", bottom, top);
}

/* Both bands first, so that they lie under both curves. */
static void put_curves(FILE *to, const tl_history *h, bool metric)
{
    const char *kind = metric ? "metric" : "loss", *comma = "";
    bool points = tl_history_count(h) <= 40;
    fputs("plot ", to);
    for (int v = 0; v < 2; v++)
        if (has_points(h, metric, v == 1)) {
            fprintf(to, "%s$%s_%s using 1:($2-$3):($2+$3) with filledcurves lc rgb '%s' notitle", comma, kind, curve_names[v],
                    band_colors[v]);
            comma = ", ";
        }
    for (int v = 0; v < 2; v++)
        if (has_points(h, metric, v == 1))
            fprintf(to, ", $%s_%s using 1:2 with %s lc rgb '%s' lw 2.5%s title '%s'", kind, curve_names[v],
                    points ? "linespoints" : "lines", line_colors[v], points ? " pt 7 ps 0.8" : "", curve_titles[v]);
    fputc('\n', to);
}

static void put_panel(FILE *to, const tl_history *h, const struct panel *p, bool log_scale)
{
    const struct tl_epoch *first = tl_history_at(h, 0), *last = tl_history_at(h, tl_history_count(h) - 1);
    double edge = first->epoch == last->epoch ? 0.5 : 0.02 * (double)(last->epoch - first->epoch);
    fprintf(to, "set xrange [%.9g:%.9g]\n", (double)first->epoch - edge, (double)last->epoch + edge);
    put_range(to, h, p, log_scale);
    fputs("set ylabel ", to);
    put_quoted(to, p->title);
    fprintf(to, "\nset key %s right Left reverse samplen 2 spacing 1.3\n", p->metric ? "bottom" : "top");
    put_curves(to, h, p->metric);
}

static void put_script(FILE *to, const tl_history *h, bool png, const struct panel *panels, int n,
                       const struct tl_plot_options *o)
{
    int width = o->width > 0 ? o->width : n > 1 ? 1280 : 960, height = o->height > 0 ? o->height : 540;
    if (png) {
        fprintf(to, "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) set terminal pngcairo noenhanced size %d,%d font 'Sans,14'; ",
                width, height);
        fprintf(to, "else set terminal png noenhanced size %d,%d large\n", width, height);
    } else {
        fprintf(to, "set terminal svg noenhanced size %d,%d font 'Helvetica,17' background '#ffffff'\n", width, height);
    }
    fputs("set encoding utf8\nset border 3 lw 1.2 lc rgb '#444444'\nset tics nomirror out scale 0.6 tc rgb '#222222'\n"
          "set grid lc rgb '#dddddd' lt 1 lw 1\nset xlabel 'epoch'\nset style fill transparent solid 0.5 noborder\n",
          to);
    fprintf(to, "set xtics %s\n", tl_history_count(h) <= 12 ? "1" : "autofreq");
    for (int i = 0; i < n; i++)
        for (int v = 0; v < 2; v++)
            if (has_points(h, panels[i].metric, v == 1))
                put_data(to, h, panels[i].metric, v == 1);
    fprintf(to, "set multiplot layout 1,%d title ", n);
    put_quoted(to, o->title ? o->title : "Learning curve");
    fprintf(to, " font ',%d'\n", png ? 18 : 22);
    for (int i = 0; i < n; i++)
        put_panel(to, h, &panels[i], o->log_scale);
    fputs("unset multiplot\n", to);
}

/* Start gnuplot with these descriptors as its standard input, output and error. */
static tl_status start_gnuplot(int in, int out, int err, pid_t *child)
{
    char program[] = "gnuplot", defaults[] = "-d";
    char *const argv[] = {program, defaults, NULL};
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return tl_fail(TL_ERR_NOMEM, "plot: out of memory");
    int failed = posix_spawn_file_actions_adddup2(&actions, in, 0);
    failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, out, 1);
    failed = failed ? failed : posix_spawn_file_actions_adddup2(&actions, err, 2);
    failed = failed ? failed : posix_spawnp(child, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        return tl_fail(TL_ERR_UNSUPPORTED, "plot: there is no gnuplot in PATH; install gnuplot (gnuplot-nox), or save the numbers as CSV");
    if (failed)
        return tl_fail(TL_ERR_IO, "plot: cannot start gnuplot: %s", strerror(failed));
    return TL_OK;
}

/* gnuplot's last words, for the error message. */
static void first_line(FILE *from, char *line, size_t size)
{
    line[0] = 0;
    rewind(from);
    while (fgets(line, (int)size, from)) {
        line[strcspn(line, "\n")] = 0;
        if (line[strspn(line, " \t^")])
            return;
    }
}

static tl_status run_gnuplot(FILE *script, FILE *picture, FILE *words)
{
    pid_t child;
    if (fflush(script) != 0 || fseek(script, 0, SEEK_SET) != 0 || lseek(fileno(script), 0, SEEK_SET) != 0)
        return tl_fail(TL_ERR_IO, "plot: cannot write the script: %s", strerror(errno));
    tl_status s = start_gnuplot(fileno(script), fileno(picture), fileno(words), &child);
    if (s != TL_OK)
        return s;
    int how = 0;
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR)
            return tl_fail(TL_ERR_IO, "plot: lost gnuplot: %s", strerror(errno));
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return TL_OK;
    char line[200];
    first_line(words, line, sizeof line);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 127)
        return tl_fail(TL_ERR_UNSUPPORTED, "plot: there is no gnuplot in PATH; install gnuplot (gnuplot-nox), or save the numbers as CSV");
    return tl_fail(TL_ERR_IO, "plot: gnuplot failed: %s", line[0] ? line : "no reason given");
}

static tl_status copy_picture(FILE *from, const char *path)
{
    struct tl_atomic_file f;
    char buffer[4096];
    size_t n, total = 0;
    if (lseek(fileno(from), 0, SEEK_SET) != 0 || fseek(from, 0, SEEK_SET) != 0)
        return tl_fail(TL_ERR_IO, "plot: cannot read gnuplot's output: %s", strerror(errno));
    tl_status s = tl_atomic_begin(&f, path);
    if (s != TL_OK)
        return s;
    while ((n = fread(buffer, 1, sizeof buffer, from)) > 0)
        total += fwrite(buffer, 1, n, f.file);
    if (total)
        return tl_atomic_commit(&f);
    tl_atomic_abort(&f);
    return tl_fail(TL_ERR_IO, "plot: gnuplot gave no picture");
}

static bool ends_with(const char *path, const char *ending)
{
    size_t n = strlen(path), e = strlen(ending);
    return n > e && strcmp(path + n - e, ending) == 0;
}

tl_status tl_history_plot_with(const tl_history *h, const char *path, const struct tl_plot_options *given)
{
    struct tl_plot_options all;
    const struct tl_plot_options *o = &all;
    options_taken(&all, sizeof all, given);
    if (!h || !path)
        return tl_fail(TL_ERR_ARGUMENT, "plot: missing argument");
    bool png = ends_with(path, ".png");
    if (!png && !ends_with(path, ".svg"))
        return tl_fail(TL_ERR_ARGUMENT, "plot: \"%s\": expected a name ending in .svg or .png", path);
    if (o->width < 0 || o->height < 0 || o->width > 16384 || o->height > 16384)
        return tl_fail(TL_ERR_ARGUMENT, "plot: %d x %d pixels; expected at most 16384 a side", o->width, o->height);
    struct panel panels[2];
    int n = 0;
    if (has_points(h, false, false) || has_points(h, false, true))
        panels[n++] = (struct panel){"loss", false};
    if (!o->loss_only && (has_points(h, true, false) || has_points(h, true, true)))
        panels[n++] = (struct panel){tl_history_metric_name(h)[0] ? tl_history_metric_name(h) : "metric", true};
    if (n == 0)
        return tl_fail(TL_ERR_ARGUMENT, "plot: the history has no epochs to draw");
    FILE *script = tmpfile(), *picture = tmpfile(), *words = tmpfile();
    tl_status s = TL_OK;
    if (!script || !picture || !words)
        s = tl_fail(TL_ERR_IO, "plot: cannot make a temporary file: %s", strerror(errno));
    if (s == TL_OK) {
        struct plain_numbers plain = plain_numbers_begin();
        put_script(script, h, png, panels, n, o);
        plain_numbers_end(&plain);
        s = run_gnuplot(script, picture, words);
    }
    if (s == TL_OK)
        s = copy_picture(picture, path);
    if (script)
        fclose(script);
    if (picture)
        fclose(picture);
    if (words)
        fclose(words);
    return s;
}
