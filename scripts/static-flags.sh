#!/bin/sh
# Prints the linker flags for a program that needs no shared library: -static where the machine has a static C library,
# else as little from outside as possible.
if echo 'int main(){return 0;}' | ${CXX:-g++} -x c++ -static -pthread - -o /dev/null 2>/dev/null; then
  echo -static
else
  echo -static-libstdc++ -static-libgcc
fi
