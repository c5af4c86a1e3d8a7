/* tool_unnamed.c - the doctor where paths have no names: maps of one type, each at an offset of its own, are judged together, as the
 * elements of an array in a stripped program are.  Over made-up models.
 */
#include "view/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAPS = 3000, BYTES = 192 };

static char name[] = "map[int]int", number[] = "int";
static const struct ms_type type = {
    .name = name, .key = number, .value = number, .slot_payload = 16, .slot_size = 16};

/* Maps with one entry, in places of that form. */
static void diagnose(const char *form, const struct ms_type *t, struct ms_diagnosis *out) {
    struct ms_map *m = ms_alloc(MAPS * sizeof *m);
    for (unsigned i = 0; i < MAPS; i++)
        m[i] = (struct ms_map){.id = i + 1,
                               .addr = i + 1,
                               .kind = MS_KIND_GO_SWISS,
                               .type = t,
                               .place = ms_asprintf("%s%x", form, i * 8),
                               .entries = 1,
                               .slots = 8,
                               .capacity_small = 8,
                               .bytes = BYTES,
                               .tombstones = MS_UNKNOWN,
                               .stashed = MS_UNKNOWN};
    struct ms_look look = {m, MAPS, 1};
    struct ms_patient p = {.look = &look, .looks = 1, .go = true};
    struct ms_doctor d;
    ms_doctor_init(&d);
    ms_view_doctor(&d, &p, out);
    for (unsigned i = 0; i < MAPS; i++) free(m[i].place);
    free(m);
}

static void test_offsets_are_taken_together(void **state) {
    (void)state;
    struct ms_diagnosis found;
    diagnose("bss+0x5b40?+0x8?+0x", &type, &found);
    assert_int_equal(found.findings, 1);
    assert_int_equal(found.finding[0].rule, MS_RULE_TINY_MAPS);
    assert_int_equal(found.finding[0].maps, MAPS);
    assert_int_equal(found.finding[0].cost, MAPS * (BYTES - 16));
    assert_string_equal(found.finding[0].name, "map[int]int");
    ms_diagnosis_free(&found);
}

static void test_names_are_not(void **state) {
    (void)state;
    struct ms_diagnosis found;
    diagnose("main.Config.section", &type, &found);
    assert_int_equal(found.findings, 0);
    ms_diagnosis_free(&found);
}

static void test_maps_of_unknown_types_are_not(void **state) {
    (void)state;
    struct ms_diagnosis found;
    diagnose("bss+0x5b40?+0x8?+0x", NULL, &found);
    assert_int_equal(found.findings, 0);
    ms_diagnosis_free(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_offsets_are_taken_together),
                                       cmocka_unit_test(test_names_are_not),
                                       cmocka_unit_test(test_maps_of_unknown_types_are_not)};
    return cmocka_run_group_tests_name("unnamed", tests, NULL, NULL);
}
