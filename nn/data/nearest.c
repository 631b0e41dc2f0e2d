/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean …?": the nearest of a list of names. The distance is Damerau's (restricted): insertions, deletions,
 * substitutions and swaps of neighbours cost one each. A name of which the word is the beginning is near, too.
 */
#include <ctype.h>
#include <string.h>
#include <telar/config.h>

enum { LONGEST = 63 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static int edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    int rows[3][LONGEST + 1]; /* the last three rows of the table of distances between beginnings */
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j] + 1, row[j - 1] + 1), above[j - 1] + !same_letter(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

const char *tl_nearest_name(const char *word, const char *const *list, size_t n)
{
    const char *best = NULL;
    int best_distance = LONGEST;
    size_t length = word ? strlen(word) : 0;
    if (length == 0 || length > LONGEST || !list)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = list[i] ? strlen(list[i]) : 0;
        if (other == 0 || other > LONGEST)
            continue;
        int distance = edit_distance(word, length, list[i], other);
        if (length >= 3 && length < other && strncasecmp(word, list[i], length) == 0)
            distance = least(distance, 1);
        int allowed = length <= 3 ? 1 : length <= 6 ? 2 : 3;
        if (distance <= allowed && distance < best_distance) {
            best = list[i];
            best_distance = distance;
        }
    }
    return best;
}
