// The one main of the C++ tests; every *_test.cc beside it is linked in.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
