module opendev.org/starlingx/portieris-armada-app/bench

go 1.26.0
