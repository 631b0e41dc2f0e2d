/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress bar. On a terminal one line is redrawn in place, at most ten times a second, fitted to the terminal's width;
 * elsewhere (a file, a pipe, a log) a plain line is written every ten seconds. The rate is over the whole run of the
 * bar, so that the remaining time does not jump about.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "nn/train/train.h"

#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS 10.0

struct tl_progress {
    FILE *to;
    bool terminal, color, unicode, drawn;
    int64_t total;
    double begun, shown;
    char label[64];
};

static bool speaks_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "UTF8");
    }
    return false;
}

tl_progress *tl_progress_new(FILE *to, const char *label, int64_t total)
{
    tl_progress *p = to ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    p->to = to;
    p->terminal = isatty(fileno(to)) && term && strcmp(term, "dumb") != 0;
    p->color = p->terminal && !(no_color && *no_color);
    p->unicode = speaks_utf8();
    p->total = total;
    p->begun = p->shown = clock_seconds();
    snprintf(p->label, sizeof p->label, "%s", label ? label : "");
    return p;
}

static int terminal_width(FILE *to)
{
    struct winsize size;
    if (ioctl(fileno(to), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* "7s", "1:05", "2:03:04". */
static void put_time(char *buffer, size_t size, double seconds)
{
    if (!isfinite(seconds) || seconds > 359999) {
        snprintf(buffer, size, "?");
        return;
    }
    long s = lround(seconds);
    if (s >= 3600)
        snprintf(buffer, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(buffer, size, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(buffer, size, "%lds", s);
}

static void put_bar(tl_progress *p, double share, int width)
{
    int full = (int)(share * width);
    if (p->color)
        fputs("\033[36m", p->to);
    for (int i = 0; i < width; i++)
        fputs(i < full ? (p->unicode ? "█" : "#") : (p->unicode ? "░" : "-"), p->to);
    if (p->color)
        fputs("\033[0m", p->to);
}

static void draw(tl_progress *p, int64_t done, const char *note, double now)
{
    double passed = now - p->begun, rate = passed > 0 ? (double)done / passed : 0;
    double share = p->total > 0 ? (double)done / (double)p->total : 0;
    char eta[24], tail[192];
    put_time(eta, sizeof eta, rate > 0 ? (double)(p->total - done) / rate : INFINITY);
    snprintf(tail, sizeof tail, " %lld/%lld  %.*f it/s  ETA %s%s%s", (long long)done, (long long)p->total,
             rate < 10 ? 1 : 0, rate, eta, note && *note ? "  " : "", note ? note : "");
    if (!p->terminal) {
        fprintf(p->to, "%s %3.0f%%%s\n", p->label, share * 100, tail);
        fflush(p->to);
        return;
    }
    int width = terminal_width(p->to), bar = width - text_columns(p->label) - text_columns(tail) - 7;
    if (bar > 40)
        bar = 40;
    fprintf(p->to, "\r%s %3.0f%% ", p->label, share * 100);
    if (bar >= 4)
        put_bar(p, share, bar);
    if (text_columns(p->label) + 6 + text_columns(tail) < width)
        fputs(tail, p->to);
    fputs("\033[K", p->to);
    fflush(p->to);
    p->drawn = true;
}

void tl_progress_update(tl_progress *p, int64_t done, const char *note)
{
    if (!p)
        return;
    double now = clock_seconds();
    if (now - p->shown < (p->terminal ? REDRAW_SECONDS : PLAIN_SECONDS))
        return;
    p->shown = now;
    draw(p, done, note, now);
}

void tl_progress_end(tl_progress *p)
{
    if (!p)
        return;
    if (p->drawn) {
        fputs("\r\033[K", p->to);
        fflush(p->to);
    }
    free(p);
}
