/* SPDX-License-Identifier: Apache-2.0
 *
 * In a program whose locale writes a decimal comma, what is written for others and read from others keeps its point.
 */
#include <locale.h>
#include <telar/model.h>

#include "files.h"

/* Such a locale, if the machine has one or can make one. */
static bool take_comma(void)
{
    static const char *const known[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "es_ES.UTF-8", "comma.UTF-8"};
    char command[900];
    snprintf(command, sizeof command, "localedef -c -i de_DE -f UTF-8 '%s' >/dev/null 2>&1", files_name("comma.UTF-8"));
    if (system(command) >= 0)
        setenv("LOCPATH", files_folder, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (setlocale(LC_ALL, known[i]) && strcmp(localeconv()->decimal_point, ",") == 0)
            return true;
    unsetenv("LOCPATH");
    return false;
}

int main(void)
{
    files_begin("locale");
    if (!take_comma()) {
        skip(1, "no locale with a decimal comma, and no localedef to make one");
        return done_testing();
    }
    tl_module *m = tl_model_build("mlp", "dropout=0.5");
    char *text = m ? tl_module_to_string(m) : NULL;
    ok(m != NULL, "options of models are read: %s", tl_error_message());
    contains(text ? text : "", "p=0.5", "modules are printed");
    free(text);
    tl_module_free(m);

    tl_history *h = tl_history_new();
    tl_history_add(h, &(struct tl_epoch){1, 2, 0.5, 0.25, 0.75, 0.125, 0.5, 0.5, 0.5, 0.5, 0.001, 1.5});
    ok(tl_history_save_csv(h, files_name("h.csv")) == TL_OK, "a history: %s", tl_error_message());
    FILE *f = fopen(files_name("h.csv"), "r");
    char line[300] = "";
    while (f && fgets(line, sizeof line, f))
        continue;
    if (f)
        fclose(f);
    is_string(line, "1,2,0.5,0.25,0.75,0.125,0.5,0.5,0.5,0.5,0.001,1.5\n", "as CSV");
    tl_history_free(h);

    tl_confusion *c = tl_confusion_new(2, NULL);
    text = tl_classification_report(c, NULL);
    contains(text ? text : "", "0.00", "reports");
    free(text);
    tl_confusion_free(c);
    is_string(localeconv()->decimal_point, ",", "the program's locale is as it was");
    files_end();
    return done_testing();
}
