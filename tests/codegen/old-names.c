/* old-names.c - uses of bump-names.proto under its own names, or under those of bump-old.proto. */
#include "bump-names.pb-c.h"

#ifdef OLD
typedef Test__V1__SwitchOnRequest request;
#define INIT TEST__V1__SWITCH_ON_REQUEST__INIT
#define UNPACK test__v1__switch_on_request__unpack
#define WHITE TEST__V1__COLOUR__WHITE
#define BRIGHTNESS level
#define N_PLACES n_rooms
#define PLACES rooms
#else
typedef Test__V1__LightRequest request;
#define INIT TEST__V1__LIGHT_REQUEST__INIT
#define UNPACK test__v1__light_request__unpack
#define WHITE TEST__V1__COLOUR__COLOUR_WHITE
#define BRIGHTNESS brightness
#define N_PLACES n_places
#define PLACES places
#endif

static int uses(request *r)
{
	request other = INIT;

	other.BRIGHTNESS = r->BRIGHTNESS + (other.N_PLACES == 0);
	return other.BRIGHTNESS == 8 && !other.PLACES && !other.handler[0] && UNPACK(NULL, 0, NULL);
}

int main(void)
{
	request r = { .BRIGHTNESS = 7 };

	return !uses(&r) || WHITE != 0;
}
